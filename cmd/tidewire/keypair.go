package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// tlsFlags say whether a server speaks TLS, and what it proves itself with.
type tlsFlags struct {
	TLSCert       string `name:"tls-cert" help:"Serve over TLS, as https and wss, with this certificate in PEM, and those that it rests on behind it. When the file changes it is read again, within seconds." placeholder:"FILE"`
	TLSKey        string `name:"tls-key" help:"Its key, in PEM. It is read again like it." placeholder:"FILE"`
	TLSSelfSigned bool   `name:"tls-self-signed" help:"For development: serve over TLS with a certificate that is made at each start, for localhost, 127.0.0.1, ::1 and the host that it listens on."`
}

func (f *tlsFlags) validate() error {
	if (f.TLSCert != "") != (f.TLSKey != "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if f.TLSCert != "" && f.TLSSelfSigned {
		return errors.New("--tls-cert and --tls-self-signed are two certificates for the same: choose one")
	}
	return nil
}

// open returns the pair for a server on addr, or nil for one without TLS.
func (f *tlsFlags) open(ctx context.Context, addr string, log *slog.Logger) (*keyPair, error) {
	k := &keyPair{cert: f.TLSCert, key: f.TLSKey, log: log}
	switch {
	case f.TLSSelfSigned:
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		pair, err := selfSigned(host, time.Now())
		if err != nil {
			return nil, fmt.Errorf("--tls-self-signed: %w", err)
		}
		k.current.Store(pair)
	case f.TLSCert != "":
		if _, err := k.look(ctx); err != nil {
			return nil, err
		}
		k.warn(time.Now())
	default:
		return nil, nil
	}
	return k, nil
}

const (
	lookEvery  = 5 * time.Second // how soon changed files are noticed
	warnWithin = 7 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// A keyPair is a certificate with its key, which a server proves itself with. A handshake takes the latest that was good and touches no file.
type keyPair struct {
	cert, key string // the files; "" for one that was made here
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]

	// For open, and then for renew.
	seen   [2][]byte // what was in the files
	failed string    // what was last said of them
	warned time.Time
}

// config is for ws.Server.
func (k *keyPair) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current.Load(), nil },
	}
}

// fingerprint is the SHA-256 of the certificate, as browsers and openssl show it.
func (k *keyPair) fingerprint() string {
	sum := sha256.Sum256(k.current.Load().Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// keyPairs are those of a process.
type keyPairs []*keyPair

// watch looks at the files of all every few seconds, and when something comes from now, until ctx ends.
func (all keyPairs) watch(ctx context.Context, now <-chan os.Signal) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-now:
		case <-ticker.C:
		}
		for _, k := range all {
			k.renew(ctx)
		}
	}
}

// renew looks at the files, and says what came of it.
func (k *keyPair) renew(ctx context.Context) {
	switch changed, err := k.look(ctx); {
	case ctx.Err() != nil:
		return
	case err != nil && (changed || err.Error() != k.failed):
		k.log.Error("the certificate cannot be renewed; the one before goes on", "error", err)
		k.failed = err.Error()
	case err == nil && changed:
		k.failed = ""
		k.log.Info("the certificate is renewed", "file", k.cert, "expires", k.current.Load().Leaf.NotAfter)
		k.warned = time.Time{}
	}
	k.warn(time.Now())
}

// look reads the files and, where they have changed, takes what is in them if it is good.
func (k *keyPair) look(ctx context.Context) (changed bool, err error) {
	if k.current.Load() != nil {
		for _, name := range []string{k.cert, k.key} {
			if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
				return false, fmt.Errorf("%s is no regular file: only such a one is read again", name)
			}
		}
	}
	cert, err := readBounded(ctx, k.cert)
	if err != nil {
		return false, fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := readBounded(ctx, k.key)
	if err != nil {
		return false, fmt.Errorf("--tls-key: %w", err)
	}
	if bytes.Equal(cert, k.seen[0]) && bytes.Equal(key, k.seen[1]) {
		return false, nil
	}
	k.seen = [2][]byte{cert, key}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return true, fmt.Errorf("--tls-cert %s with --tls-key %s: %w", k.cert, k.key, err)
	}
	k.current.Store(&pair)
	return true, nil
}

// warn says once a day that the certificate is about to expire.
func (k *keyPair) warn(now time.Time) {
	end := k.current.Load().Leaf.NotAfter
	if end.Sub(now) > warnWithin || now.Sub(k.warned) < warnEvery {
		return
	}
	k.warned = now
	what := "the certificate expires soon"
	if end.Before(now) {
		what = "the certificate has expired"
	}
	k.log.Warn(what, "file", k.cert, "expires", end)
}

// selfSigned makes a certificate for this machine and for host, which may be "".
func selfSigned(host string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "tidewire " + cmp.Or(host, "localhost")},
		NotBefore:             now.Add(-time.Hour), // for a clock that is behind
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	host, _, _ = strings.Cut(host, "%") // a zone
	switch ip := net.ParseIP(host); {
	case ip != nil && !ip.IsUnspecified() && !slices.ContainsFunc(template.IPAddresses, ip.Equal):
		template.IPAddresses = append(template.IPAddresses, ip)
	case ip == nil && host != "" && host != "localhost":
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
