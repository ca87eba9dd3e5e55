package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws/deflate"
)

// compression is what both ends of a connection are configured for.
type compression int

const (
	plain     compression = iota
	noContext             // each message stands alone, both ways
	takeover              // both ends keep their context
)

func (c compression) String() string { return [...]string{"plain", "no-context", "takeover"}[c] }

// options are ours for c.
func (c compression) options() *deflate.Options {
	switch c {
	case noContext:
		return &deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true}
	case takeover:
		return &deflate.Options{}
	}
	return nil
}

// library is a WebSocket implementation that is not ours.
type library struct {
	name string
	// dial opens a connection to a server of ours.
	dial func(t testing.TB, url string, z compression) end
	// listen starts a server. Its ends come through the channel.
	listen func(t testing.TB, secure bool, z compression) (url string, ends <-chan end)

	modes []compression // that it can do

	// What it cannot do or does not tell, each as the library's users see it.
	pieces   bool // hands out the frames of a message one by one
	noPong   bool // keeps pongs to itself
	noCodes  bool // neither sends codes and reasons of the user's choice nor tells those it receives
	noAborts bool // tells a cut stream and a close frame not apart
	mustCode bool // cannot send a close frame without a code
	noAnswer bool // does not wait for the answer to its close frame

	// Its close races with its reading loop, which gives the window back that the
	// close frame is still written into (gws 1.8.9; the race detector sees it).
	closeRaces bool
	// With its context kept, a large message behind small ones is inflated to
	// something else than was sent, by every receiver, itself included (gws 1.8.9).
	spoilsLarge bool
}

// libraries are all but ours.
var libraries = []library{gorillaLibrary, coderLibrary, gobwasLibrary, gwsLibrary, xnetLibrary, npmLibrary}

// listenHTTP serves h and returns the URL for WebSocket clients.
func listenHTTP(t testing.TB, secure bool, h http.Handler) string {
	s := httptest.NewUnstartedServer(h)
	if secure {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// clientTLS trusts the servers of these tests.
func clientTLS() *tls.Config { return &tls.Config{RootCAs: certificate().roots} }

type testCert struct {
	cert            tls.Certificate
	roots           *x509.CertPool
	certPEM, keyPEM string
}

var certificate = sync.OnceValue(func() testCert {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return testCert{
		cert:    tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		roots:   roots,
		certPEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		keyPEM:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}
})
