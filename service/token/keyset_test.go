package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
)

// jwk returns the public half of a key in that form, with more members.
func jwk(key crypto.Signer, kid string, more m) m {
	b64 := base64.RawURLEncoding.EncodeToString
	j := m{"kid": kid}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		j["kty"], j["n"], j["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(public.Bytes())[1:]
		j["kty"], j["crv"], j["x"], j["y"] = "EC", public.Params().Name, b64(point[:len(point)/2]), b64(point[len(point)/2:])
	case ed25519.PublicKey:
		j["kty"], j["crv"], j["x"] = "OKP", "Ed25519", b64(public)
	}
	for name, value := range more {
		j[name] = value
	}
	return j
}

// issuer answers with a key set, and counts how often. It is a RoundTripper too: in virtual time there are no sockets.
type issuer struct {
	mu    sync.Mutex
	keys  []m
	reply http.HandlerFunc // in place of the keys
	asked atomic.Int32
}

func (i *issuer) set(keys ...m) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.reply = keys, nil
}

func (i *issuer) fail(reply http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reply = reply
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked.Add(1)
	i.mu.Lock()
	reply, body := i.reply, must(json.Marshal(m{"keys": i.keys}))
	i.mu.Unlock()
	if reply != nil {
		reply(w, r)
		return
	}
	w.Write(body)
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func es(kid string, key *ecdsa.PrivateKey) string {
	h := m{"alg": "ES256"}
	if kid != "" {
		h["kid"] = kid
	}
	return sign("ES256", key, h, claims(nil))
}

// unavailable reports whether an error says that there are no keys yet.
func unavailable(err error) bool {
	var e *live.Error
	return errors.As(err, &e) && e.Code == "unavailable" && e.Retryable
}

// TestKeyKinds has the keys of a set checked with that are for signatures, and no others.
func TestKeyKinds(t *testing.T) {
	i, log := &issuer{}, &logbook{}
	b64 := base64.RawURLEncoding.EncodeToString
	i.set(
		jwk(p256, "p256", m{"use": "sig", "alg": "ES256"}), jwk(p384, "p384", m{"key_ops": []string{"verify"}}), jwk(p521, "p521", nil),
		jwk(edKey, "ed", nil), jwk(rsaKey(), "ps", m{"alg": "PS256"}),
		jwk(rsaOther(), "enc", m{"use": "enc"}), jwk(p256, "wrap", m{"key_ops": []string{"wrapKey"}}),
		m{"kty": "oct", "kid": "oct", "k": b64(secret)}, m{"kty": "oct", "kid": "oct2", "k": b64(secret), "alg": "RS256"},
		jwk(p256, "private", m{"d": b64(secret[:32])}), jwk(p256, "lie", m{"alg": "RS256"}), jwk(p256, "hs", m{"alg": "HS256"}),
		m{"kty": "EC", "kid": "off", "crv": "P-256", "x": b64(secret[:32]), "y": b64(secret[:32])},
		m{"kty": "RSA", "kid": "small", "n": b64(big.NewInt(0).Lsh(big.NewInt(1), 1023).Bytes()), "e": "AQAB"},
		m{"kty": "new", "kid": "new"}, m{"kty": 7}, m{},
	)
	server := httptest.NewServer(i)
	defer server.Close()
	v := newVerifier(t, token.Options{JWKS: server.URL, Logger: log.logger()})
	for _, tc := range []struct {
		kid, alg string
		key      any
		want     token.Reason
	}{
		{"p256", "ES256", p256, ""}, {"p384", "ES384", p384, ""}, {"p521", "ES512", p521, ""}, {"ed", "EdDSA", edKey, ""},
		{"ps", "PS256", rsaKey(), ""},
		{"ps", "RS256", rsaKey(), token.UnknownKey},
		{"p256", "ES384", p384, token.UnknownKey},
		{"p384", "ES256", p256, token.UnknownKey},
		{"enc", "RS256", rsaOther(), token.UnknownKey},
		{"wrap", "ES256", p256, token.UnknownKey},
		{"oct", "HS256", secret, token.BadAlgorithm},
		{"oct2", "HS256", secret, token.BadAlgorithm},
		{"private", "ES256", p256, token.UnknownKey},
		{"lie", "ES256", p256, token.UnknownKey},
		{"hs", "HS256", publicPEM(p256), token.BadAlgorithm},
		{"", "PS256", rsaKey(), ""}, // the only one
	} {
		h := m{"alg": tc.alg}
		if tc.kid != "" {
			h["kid"] = tc.kid
		}
		if _, err := v.Verify(t.Context(), sign(tc.alg, tc.key, h, claims(nil))); reasonOf(t, err) != tc.want {
			t.Errorf("%s with the key %q: %v, want %q", tc.alg, tc.kid, err, tc.want)
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	for _, why := range []string{"symmetric", "private key", "its alg", "cannot be read", "1024 bits", "wrong type"} {
		if !strings.Contains(log.String(), why) {
			t.Errorf("the log has no %q:\n%s", why, log)
		}
	}
	silent(t, log.String(), b64(secret)+"."+b64(secret[:32]))

	// Beside a secret, the symmetric key of a set is none either; two keys for an algorithm want a kid.
	i.set(m{"kty": "oct", "kid": "oct", "k": b64(secret[1:])}, jwk(p256, "a", nil), jwk(p256, "b", nil))
	v = newVerifier(t, token.Options{JWKS: server.URL, Keys: []token.Key{{Secret: secret}}})
	for raw, want := range map[string]token.Reason{
		sign("HS256", secret[1:], m{"alg": "HS256", "kid": "oct"}, claims(nil)): token.BadSignature,
		hs(claims(nil)): "", es("a", p256): "", es("b", p256): "", es("", p256): token.UnknownKey,
	} {
		if _, err := v.Verify(t.Context(), raw); reasonOf(t, err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestRotation lets an issuer change its keys. What is new is found at once, but not more often than JWKSGap; what is
// dropped goes with the next fetch.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := must(ecdsa.GenerateKey(p256.Curve, rand.Reader))
		i := &issuer{}
		i.set(jwk(p256, "1", nil))
		v := newVerifier(t, token.Options{JWKS: "https://issuer.example/keys", Transport: i, Leeway: -1})
		want := func(raw string, reason token.Reason, fetches int32) {
			t.Helper()
			_, err := v.Verify(t.Context(), raw)
			if got := reasonOf(t, err); got != reason {
				t.Errorf("%v, want %q", err, reason)
			}
			if n := i.asked.Load(); n != fetches {
				t.Errorf("%d fetches, want %d", n, fetches)
			}
		}
		want(es("1", p256), "", 1)
		if err := v.Ready(); err != nil {
			t.Error(err)
		}
		i.set(jwk(p256, "1", nil), jwk(second, "2", nil))
		want(es("2", second), token.UnknownKey, 1) // within the gap
		time.Sleep(30 * time.Second)

		// Many come with the new key at once: all wait for one fetch.
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := v.Verify(t.Context(), es("2", second)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		want(es("1", p256), "", 2)
		for n := range 1000 { // who makes kids up causes no fetch
			want(es(fmt.Sprint("x", n), p256), token.UnknownKey, 2)
		}
		for n := range 5 { // but one each gap
			time.Sleep(30 * time.Second)
			for range 10 {
				want(es("x", p256), token.UnknownKey, 3+int32(n))
			}
		}

		i.set(jwk(second, "2", nil))
		want(es("1", p256), "", 7) // it is good until it is seen to be gone
		time.Sleep(10*time.Minute + time.Second)
		want(es("2", second), "", 8)
		want(es("1", p256), token.UnknownKey, 8)
		want(es("2", p256), token.BadSignature, 8)
	})
}

// TestOutage has the last set stay while the issuer fails, in any way.
func TestOutage(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	attacker := jwk(must(ecdsa.GenerateKey(p256.Curve, rand.Reader)), "2", nil)
	elsewhere := httptest.NewServer(body(string(must(json.Marshal(m{"keys": []m{attacker}})))))
	defer elsewhere.Close()
	hung := make(chan struct{})
	for name, tc := range map[string]struct {
		reply http.HandlerFunc
		log   string
	}{
		"500":       {status(500), "answered with 500"},
		"204":       {status(204), "answered with 204"},
		"redirect":  {http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, "answered with 302"},
		"no JSON":   {body("<html>"), "no JSON"},
		"no keys":   {body(`{"kid":"1"}`), "it has no keys"},
		"null":      {body(`{"keys":null}`), "no key that signatures"},
		"empty":     {body(`{"keys":[]}`), "no key that signatures"},
		"twice":     {body(`{"keys":[],"keys":[{}]}`), "occurs twice"},
		"deep":      {body(strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000)), "nested too deep"},
		"many keys": {body(`{"keys":[{}` + strings.Repeat(",{}", 9_999) + `]}`), "more than 100 keys"},
		"10 MB":     {body(`{"x":"` + strings.Repeat("x", 10<<20) + `"}`), "longer than 262144 bytes"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"keys":[`)
		}, "unexpected EOF"},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { <-hung }, "no answer in time"},
		"trickle": {func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-hung
		}, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			i, log := &issuer{}, &logbook{}
			i.set(jwk(p256, "1", nil))
			server := httptest.NewServer(i)
			defer server.Close()
			patience := 30 * time.Second
			if strings.Contains(tc.log, "in time") {
				hung = make(chan struct{})
				defer close(hung)
				patience = time.Second
			}
			v := newVerifier(t, token.Options{JWKS: server.URL + "/?key=hunter2", Logger: log.logger(), JWKSGap: 1, JWKSTimeout: patience})
			if _, err := v.Verify(t.Context(), es("1", p256)); err != nil {
				t.Fatal(err)
			}
			i.fail(tc.reply)
			if _, err := v.Verify(t.Context(), es("2", p256)); reasonOf(t, err) != token.UnknownKey {
				t.Error(err)
			}
			if _, err := v.Verify(t.Context(), es("1", p256)); err != nil {
				t.Errorf("the last set did not stay: %v", err)
			}
			if text := log.String(); !strings.Contains(text, tc.log) || strings.Contains(text, "hunter2") {
				t.Errorf("the log has no %q, or the URL's secret:\n%s", tc.log, text)
			}
			i.set(jwk(p256, "3", nil))
			if _, err := v.Verify(t.Context(), es("3", p256)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestNoSetYet begins while the issuer is away. Tokens are not refused for that; it is tried again soon.
func TestNoSetYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		i.fail(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		o := token.Options{JWKS: "https://issuer.example/keys", Transport: i, Keys: []token.Key{{Secret: secret}}}
		v := newVerifier(t, o)
		if v.Ready() == nil {
			t.Error("ready")
		}
		if _, err := v.Verify(t.Context(), hs(claims(nil))); err != nil {
			t.Error("a secret needs no set:", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Verify(ctx, es("1", p256)); !unavailable(err) {
			t.Error(err)
		}
		if _, err := v.Verify(t.Context(), es("1", p256)); !unavailable(err) {
			t.Error(err)
		}
		i.set(jwk(p256, "1", nil))
		time.Sleep(2 * time.Second)
		if _, err := v.Verify(t.Context(), es("1", p256)); err != nil || v.Ready() != nil {
			t.Error("afterwards:", err, v.Ready())
		}
		v.Close()
		if _, err := v.Verify(t.Context(), es("1", p256)); err != nil {
			t.Error("after Close:", err)
		}
		time.Sleep(time.Hour)
		if n := i.asked.Load(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}
