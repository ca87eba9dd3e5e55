package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/ws"
)

// writePair makes NAME.pem and NAME-key.pem, which end a year after begin.
func writePair(name string, begin time.Time) error {
	made, err := selfSigned("", begin)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(name+"-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600)
}

// insecure is a client that takes any certificate, and a connection for each request.
func insecure() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
}

// A certificate made for the run is for this machine, and what is printed of it is true.
func TestSelfSigned(t *testing.T) {
	s := serve(t, "--tls-self-signed")
	r, err := insecure().Get("https://" + s.host + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, _ := io.ReadAll(r.Body); !strings.Contains(string(text), "wss://"+s.host+"/live") {
		t.Errorf("it says %q", text)
	}
	leaf := r.TLS.PeerCertificates[0]
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	k := &keyPair{}
	k.current.Store(&tls.Certificate{Certificate: [][]byte{leaf.Raw}})
	if line := "SHA-256: " + k.fingerprint() + "\n"; !strings.Contains(s.out, line) || len(line) != len("SHA-256: \n")+32*3-1 {
		t.Errorf("it printed %q, without %q", s.out, line)
	}
	c, _, err := ws.Dial(t.Context(), "wss://"+s.host+"/echo", &ws.DialOptions{TLSConfig: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, echo, err := c.Read(t.Context()); string(echo) != "hello" {
		t.Errorf("%q, %v", echo, err)
	}
	for host, more := range map[string]string{"": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1", "10.1.2.3": "10.1.2.3", "host.example": "host.example", "fe80::1%lo": "fe80::1"} {
		pair, err := selfSigned(host, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"localhost", "127.0.0.1", "::1", more} {
			if err := pair.Leaf.VerifyHostname(name); err != nil {
				t.Errorf("%q: %v", host, err)
			}
		}
		if pair.Leaf.VerifyHostname("0.0.0.0") == nil {
			t.Errorf("%q: it is for 0.0.0.0", host)
		}
	}
}

// The pages go over TLS with all they do.
func TestPagesOverTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, "--tls-self-signed")
	ada := open(t, browser(t, chromedp.Flag("ignore-certificate-errors", true)), "Ada's tab", "https://"+s.host+"/chat/")
	ada.rename("Ada")
	ada.here("Ada")
	ada.say("hello")
	ada.shows("You: hello")
	ada.fine()
}

// SIGHUP has the process take new files at once.
func TestRenewOnSignal(t *testing.T) {
	alive := make(chan os.Signal, 1) // whoever listens is not ended by it
	signal.Notify(alive, syscall.SIGHUP)
	defer signal.Stop(alive)
	name := filepath.Join(t.TempDir(), "x")
	if err := writePair(name, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--tls-cert", name+".pem", "--tls-key", name+"-key.pem")
	shown := func() string {
		r, err := insecure().Get("https://" + s.host + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := shown()
	if err := writePair(name, time.Now()); err != nil {
		t.Fatal(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the new certificate", func() string {
		self.Signal(syscall.SIGHUP)
		if shown() == first {
			return "it is the first"
		}
		return ""
	})
}

// What is wrong with new files is logged once, and the pair before goes on.
func TestKeyPairWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		name := filepath.Join(dir, "x")
		write := func(begin time.Time) {
			t.Helper()
			if err := writePair(name, begin); err != nil {
				t.Fatal(err)
			}
		}
		write(time.Now())
		var log logged
		k, err := (&tlsFlags{TLSCert: name + ".pem", TLSKey: name + "-key.pem"}).open(t.Context(), "127.0.0.1:0", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		renew := make(chan os.Signal)
		ended := make(chan struct{})
		go func() { defer close(ended); keyPairs{k}.watch(ctx, renew) }()
		current := func() *tls.Certificate {
			c, err := k.config().GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		// passes lets time pass and says what was logged, and whether there is another certificate.
		passes := func(d time.Duration) (string, bool) {
			synctest.Wait()
			before := current()
			time.Sleep(d)
			synctest.Wait()
			return log.take(), current() != before
		}
		expect := func(what, said string, renewed bool, d time.Duration) {
			t.Helper()
			if got, other := passes(d); strings.Count(got, "\n") != min(1, len(said)) || !strings.Contains(got, said) || other != renewed {
				t.Errorf("%s: it logged %q and another certificate is %v; want %q and %v", what, got, other, said, renewed)
			}
		}
		expect("as before", "", false, time.Hour)

		write(time.Now())
		expect("new files", "level=INFO msg=\"the certificate is renewed\"", true, lookEvery)

		if err := os.WriteFile(name+".pem", []byte("nothing"), 0o600); err != nil {
			t.Fatal(err)
		}
		expect("no certificate", "level=ERROR msg=\"the certificate cannot be renewed; the one before goes on\" error=\"--tls-cert ", false, lookEvery)
		expect("still none", "", false, time.Hour)

		if err := writePair(filepath.Join(dir, "y"), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "y.pem"), name+".pem"); err != nil {
			t.Fatal(err)
		}
		expect("another's", "private key does not match public key", false, lookEvery)
		if err := os.Remove(name + ".pem"); err != nil {
			t.Fatal(err)
		}
		expect("gone", "no such file", false, lookEvery)
		expect("still gone", "", false, time.Hour)

		write(time.Now())
		renew <- syscall.SIGHUP
		expect("on a signal", "renewed", false, 0)

		write(time.Now().AddDate(-1, 0, 6))
		if got, _ := passes(lookEvery); !strings.Contains(got, "renewed") || !strings.Contains(got, "level=WARN msg=\"the certificate expires soon\"") {
			t.Errorf("six days before its end: %q", got)
		}
		expect("an hour later", "", false, time.Hour)
		expect("a day later", "expires soon", false, warnEvery)
		if got, _ := passes(6 * 24 * time.Hour); strings.Count(got, "\n") != 6 || !strings.Contains(got, "the certificate has expired") {
			t.Errorf("six days later: %q", got)
		}
		stop()
		<-ended
	})
}

// One signal has all pairs be renewed, without a tick of the clock.
func TestKeyPairsWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var all keyPairs
		var before []*tls.Certificate
		names := []string{filepath.Join(dir, "x"), filepath.Join(dir, "y"), filepath.Join(dir, "z")}
		write := func() {
			for _, name := range names {
				if err := writePair(name, time.Now()); err != nil {
					t.Fatal(err)
				}
			}
		}
		write()
		for _, name := range names {
			k, err := (&tlsFlags{TLSCert: name + ".pem", TLSKey: name + "-key.pem"}).open(t.Context(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			all, before = append(all, k), append(before, k.current.Load())
		}
		ctx, stop := context.WithCancel(t.Context())
		renew := make(chan os.Signal)
		ended := make(chan struct{})
		go func() { defer close(ended); all.watch(ctx, renew) }()
		write()
		began := time.Now()
		renew <- syscall.SIGHUP
		synctest.Wait()
		for i, k := range all {
			if k.current.Load() == before[i] {
				t.Errorf("%s is as before", names[i])
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("%v passed", d)
		}
		stop()
		<-ended
	})
}

// logged is what was logged, by whichever goroutine.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns what was logged since it was called last.
func (l *logged) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}
