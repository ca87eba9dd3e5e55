package token_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/service/token"
)

// Keys of the tests: made once, RSA takes its time.
var (
	secret   = []byte("0123456789abcdef0123456789abcdef-the-secret-of-the-tests-0123456789")
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsaOther = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256     = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384     = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521     = must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	edKey    = must2(ed25519.GenerateKey(rand.Reader))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[A, T any](_ A, v T, err error) T { return must(v, err) }

// publicPEM returns the public half of a key.
func publicPEM(key crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key.Public()))})
}

type m = map[string]any

// claims are good ones, with others in their place; nil leaves one away.
func claims(changes m) m {
	c := m{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "iss": "us", "aud": "hub"}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// roomClaims are those of a good room token.
func roomClaims(changes m) m {
	c := m{"use": "room", "room": "chat:1"}
	maps.Copy(c, changes)
	return claims(c)
}

// sign makes a token. header and body are a map, or the JSON itself as a string.
func sign(alg string, key any, header, body any) string {
	part := func(v any) string {
		text, ok := v.(string)
		if !ok {
			text = string(must(json.Marshal(v)))
		}
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	text := part(header) + "." + part(body)
	return text + "." + base64.RawURLEncoding.EncodeToString(must(jwt.GetSigningMethod(alg).Sign(text, key)))
}

func hs(body any) string { return sign("HS256", secret, m{"alg": "HS256", "typ": "JWT"}, body) }

// logbook is a log that can be searched.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newVerifier makes one for issuer "us" and audience "hub", where the options do not say otherwise.
func newVerifier(tb testing.TB, o token.Options) *token.Verifier {
	tb.Helper()
	if o.Issuer == "" {
		o.Issuer, o.Audience = "us", "hub"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := token.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	return v
}

func secrets() token.Options { return token.Options{Keys: []token.Key{{Secret: secret}}} }

// reasonOf returns why; "" for a token that is good.
func reasonOf(t *testing.T, err error) token.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var r *token.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("%v is no refusal", err)
	}
	return r.Reason
}
