package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
)

// The bounds of a JWKS.
const (
	maxSet     = 256 << 10 // bytes
	maxSetKeys = 100       // those that are of no use included
)

// keySet is a JWKS that is fetched again and again. One fetch is under way at a time, and all who need it wait for the same.
type keySet struct {
	url     string
	host    string // for the log, where the URL may hold a secret
	client  http.Client
	every   time.Duration
	gap     time.Duration
	timeout time.Duration
	log     *slog.Logger
	ctx     context.Context
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu     sync.Mutex
	keys   []check // nil: never had
	under  chan struct{}
	last   time.Time // the last fetch began
	failed int       // fetches one after the other
	ended  bool
}

func newKeySet(o *Options, log *slog.Logger) (*keySet, error) {
	u, err := url.Parse(o.JWKS)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, errors.New("token: Options.JWKS is no URL with https, or with http and a loopback address, and without a password")
	}
	s := &keySet{
		url: o.JWKS, host: u.Host, log: log,
		every: cmp.Or(o.JWKSEvery, 10*time.Minute), gap: cmp.Or(o.JWKSGap, 30*time.Second), timeout: cmp.Or(o.JWKSTimeout, 5*time.Second),
	}
	s.client.Transport = o.Transport
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	s.fetch()
	s.mu.Unlock()
	s.all.Go(s.renew)
	return s, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// close ends the fetching.
func (s *keySet) close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cancel()
	s.all.Wait()
}

func (s *keySet) had() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys != nil
}

// renew fetches the set each s.every, and after a failure sooner: after 1 s, 2 s, 4 s and so on.
func (s *keySet) renew() {
	for {
		s.mu.Lock()
		under, failed := s.under, s.failed
		wait := time.Until(s.last.Add(s.every))
		s.mu.Unlock()
		if failed > 0 {
			wait = min(s.every, time.Second<<min(failed-1, 20))
		}
		if under != nil {
			select {
			case <-under:
				continue
			case <-s.ctx.Done():
				return
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
		s.mu.Lock()
		if s.under == nil && (failed > 0 || time.Since(s.last) >= s.every) {
			s.fetch()
		}
		s.mu.Unlock()
	}
}

// fetch begins a fetch. Called with mu held and none under way.
func (s *keySet) fetch() {
	if s.ended {
		return
	}
	over := make(chan struct{})
	s.under, s.last = over, time.Now()
	s.all.Go(func() {
		keys, err := s.get()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.under = nil
		close(over)
		if err != nil {
			s.failed++
			if s.ctx.Err() == nil {
				s.log.Warn("token: the JWKS could not be had; the last one stays", "host", s.host, "error", err, "failures", s.failed)
			}
			return
		}
		s.failed, s.keys = 0, keys
	})
}

// find returns the keys of that kid for an algorithm. Without a kid, it is the only one for that algorithm.
// An unknown kid has the set fetched, if the last time is long enough ago, and waits for that.
func (s *keySet) find(ctx context.Context, alg, kid string) ([]check, error) {
	for began := time.Now(); ; {
		s.mu.Lock()
		keys, had := s.match(alg, kid), s.keys != nil
		if len(keys) > 0 || kid == "" && had {
			s.mu.Unlock()
			switch {
			case len(keys) == 0:
				return nil, refuse(UnknownKey, "")
			case kid == "" && len(keys) > 1:
				return nil, refuse(UnknownKey, "there is no kid, and the JWKS has several keys for the algorithm")
			}
			return keys, nil
		}
		if s.under == nil && !s.last.After(began) && time.Since(s.last) >= s.gap {
			s.fetch()
		}
		under := s.under
		s.mu.Unlock()
		switch {
		case under == nil && had:
			return nil, refuse(UnknownKey, "")
		case under == nil:
			return nil, errNoKeys()
		}
		select {
		case <-under:
		case <-ctx.Done():
			return nil, errNoKeys()
		}
	}
}

// match returns the keys that fit. Called with mu held.
func (s *keySet) match(alg, kid string) (found []check) {
	for _, c := range s.keys {
		if c.fits(alg) && (kid == "" || c.id == kid) {
			found = append(found, c)
		}
	}
	return found
}

// errNoKeys is no refusal: the client comes back with the same token.
func errNoKeys() error {
	return protocol.Errorf(protocol.CodeUnavailable, "tokens cannot be checked at the moment")
}

// get fetches the set.
func (s *keySet) get() ([]check, error) {
	ctx, done := context.WithTimeout(s.ctx, s.timeout)
	defer done()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, errors.New("no URL")
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := s.client.Do(r)
	if err != nil {
		return nil, cause(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK { // a redirect too
		return nil, fmt.Errorf("it was answered with %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSet+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case len(body) > maxSet:
		return nil, fmt.Errorf("it is longer than %d bytes", maxSet)
	}
	return s.parse(body)
}

// cause leaves the URL away, which may hold a secret.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &op) && op.Timeout() {
		return errors.New("no answer in time (Options.JWKSTimeout)")
	}
	return err
}

// parse reads a set. Keys that are not for this are left out: one that we cannot use must not cost us the others.
func (s *keySet) parse(body []byte) ([]check, error) {
	o, err := object.Parse(body, maxDepth)
	if err != nil {
		return nil, err
	}
	var raws []json.RawMessage
	if json.Unmarshal(o["keys"], &raws) != nil {
		return nil, errors.New("it has no keys")
	}
	if len(raws) > maxSetKeys {
		return nil, fmt.Errorf("it has more than %d keys", maxSetKeys)
	}
	var keys []check
	for i, raw := range raws {
		one, err := parseKey(raw)
		if err != nil {
			s.log.Warn("token: a key of the JWKS was left out", "host", s.host, "key", i+1, "why", err)
			continue
		}
		if one != nil {
			keys = append(keys, *one)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no key that signatures can be checked with")
	}
	return keys, nil
}

// parseKey reads a key of a set; nil if it is for something else than signatures. Its errors hold nothing of it.
func parseKey(raw json.RawMessage) (*check, error) {
	if raw[0] != '{' {
		return nil, errors.New("it is no object")
	}
	var m object.Object
	if json.Unmarshal(raw, &m) != nil {
		return nil, errors.New("it is no object")
	}
	var all jwkset.JWKMarshal
	if json.Unmarshal(raw, &all) != nil {
		return nil, errors.New("it has members of the wrong type")
	}
	if all.USE != "" && all.USE != jwkset.UseSig || len(all.KEYOPS) > 0 && !slices.Contains(all.KEYOPS, jwkset.KeyOpsVerify) {
		return nil, nil
	}
	switch {
	case all.KTY == jwkset.KtyOct:
		return nil, errors.New("it is symmetric: what everybody can fetch is no secret")
	case m["d"] != nil || m["k"] != nil:
		return nil, errors.New("it is a private key, which everybody can fetch")
	case len(all.KID) > maxKID:
		return nil, errors.New("its kid is too long")
	}
	// The key alone: no certificates, nothing to fetch.
	public := jwkset.JWKMarshal{KTY: all.KTY, CRV: all.CRV, X: all.X, Y: all.Y, N: all.N, E: all.E}
	key, err := jwkset.NewJWKFromMarshal(public, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, errors.New("it cannot be read, or is of a kind that is not supported")
	}
	algs, err := publicAlgorithms(key.Key())
	if err != nil {
		return nil, err
	}
	if alg := all.ALG.String(); alg != "" {
		if !slices.Contains(algs, alg) {
			return nil, errors.New("its alg does not go with its kty")
		}
		algs = []string{alg}
	}
	return &check{all.KID, algs, key.Key()}, nil
}
