package natsbroker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	ports "math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// fleet is the servers of folders, which run for the time that an export or an import takes.
type fleet []*Server

// debugging is a log in which everything is for who debugs: servers that run for a moment warn of what is no matter then.
type debugging struct{ slog.Handler }

func (d debugging) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

func (d debugging) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

// launch starts them. If importing is set the folders are marked so.
func launch(dirs []string, cluster string, importing bool, log *slog.Logger) (fleet, error) {
	all := make(fleet, len(dirs))
	errs := make([]error, len(dirs))
	var peers []string
	var proof *tls.Config
	if cluster != "" {
		var err error
		if proof, err = passing(); err != nil {
			return nil, err
		}
		for range max(len(dirs), 3) { // a cluster knows three, of which one may be missing
			addr, err := unused()
			if err != nil {
				return nil, err
			}
			peers = append(peers, addr)
		}
	}
	var starting sync.WaitGroup
	for i, dir := range dirs {
		starting.Go(func() {
			// Nothing is acknowledged to anybody: what is imported is synced at the end.
			o := ServerOptions{Dir: dir, SyncEvery: time.Minute, Logger: slog.New(debugging{log.Handler()})}
			if cluster != "" {
				o.Cluster = &ClusterOptions{Name: cluster, Listen: peers[i], Peers: peers, TLS: proof}
			}
			all[i], errs[i] = startServer(o, importing)
		})
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		all.close()
		return nil, slices.MinFunc(errs, func(a, b error) int { // one says enough
			switch {
			case a != nil && b == nil:
				return -1
			case a == nil && b != nil:
				return 1
			}
			return 0
		})
	}
	return all, nil
}

// connect returns a broker on the servers, once these have a leader, who knows so many of them.
func (f fleet) connect(ctx context.Context, peers int, set Options) (*Broker, error) {
	for end := time.Now().Add(startWait); !f.led(peers); sleep(ctx, 10*time.Millisecond) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("the servers of %d folders have no leader: are these a majority of the cluster's?", len(f))
		}
	}
	return f[0].Connect(&set)
}

func (f fleet) led(peers int) bool {
	return len(f) == 1 || slices.ContainsFunc(f, func(s *Server) bool {
		ns := s.ns.Load()
		return ns.JetStreamIsLeader() && len(ns.JetStreamClusterPeers()) >= peers
	})
}

// have waits until each server that is to have a stream has all of it.
func (f fleet) have(ctx context.Context, b *Broker, name string) error {
	var was string
	for end := time.Now().Add(exportSilence); ; sleep(ctx, 20*time.Millisecond) {
		info, err := b.infoOf(ctx, name)
		if err != nil {
			return err
		}
		n, now := 0, ""
		for _, s := range f {
			state, ok := s.has(name)
			now += fmt.Sprint(state.FirstSeq, state.LastSeq, state.Msgs, " ")
			if ok && state.FirstSeq == info.State.FirstSeq && state.LastSeq == info.State.LastSeq && state.Msgs == info.State.Msgs {
				n++
			}
		}
		if n >= info.Config.Replicas {
			return nil
		}
		if now != was {
			was, end = now, time.Now().Add(exportSilence) // it goes on
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return errors.Join(fmt.Errorf("%d of %d servers have it", n, info.Config.Replicas), ctx.Err())
		}
	}
}

// has returns what this server has of a stream.
func (s *Server) has(name string) (server.StreamState, bool) {
	info, err := s.ns.Load().Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err == nil {
		for _, a := range info.AccountDetails {
			for _, one := range a.Streams {
				if one.Name == name {
					return one.State, true
				}
			}
		}
	}
	return server.StreamState{}, false
}

// close ends the servers. They go together: none has to wait until another one leads what it led.
func (f fleet) close() error {
	errs := make([]error, len(f))
	var closing sync.WaitGroup
	for i, s := range f {
		if s != nil {
			closing.Go(func() { errs[i] = s.Close() })
		}
	}
	closing.Wait()
	return errors.Join(errs...)
}

// unused returns an address on the loopback where nobody listens, with a port that no system gives to who asks for any.
func unused() (string, error) {
	for try := 0; ; try++ {
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+ports.IntN(20_000)))
		if err == nil {
			return ln.Addr().String(), ln.Close()
		}
		if try == 100 {
			return "", err
		}
	}
}

// passing returns how the servers of a fleet know each other, by a key that nobody else ever has: the loopback is not theirs alone.
func passing() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      trusted, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}
