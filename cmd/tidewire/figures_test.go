package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/service/webhook"
)

// The page for operators has each metric of serve's own, and the alerts have no other.
func TestFiguresAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../deploy/prometheus/tidewire.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan *prometheus.Desc, 100)
	figures{}.Describe(all)
	close(all)
	var names []string
	for d := range all {
		name := regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]
		names = append(names, name)
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/operations.md has no %s", name)
		}
	}
	_, own, found := strings.Cut(string(rules), "name: tidewire-serve\n")
	used := regexp.MustCompile(`\btidewire_\w+`).FindAllString(own, -1)
	if !found || len(used) < 3 {
		t.Errorf("the alerts use %q", used)
	}
	for _, name := range used {
		if !slices.Contains(names, name) {
			t.Errorf("there is no %s for an alert", name)
		}
	}
}

// What the application was asked and when the certificate ends is among the metrics.
func TestFigures(t *testing.T) {
	secret := webhook.NewSecret()
	b := newBackend(t, secret)
	cert, key := certificate(t)
	s := serve(t, "--rooms", "chat:*", "--anonymous", "--webhook-url", b.URL, "--webhook-secret-file", secretFile(t, secret), "--webhook-events", "disconnect",
		"--tls-cert", cert, "--tls-key", key, "--admin-addr", "127.0.0.1:0")
	code, text := get(t, "http://"+s.adminHost(t)+"/metrics")
	ends := regexp.MustCompile(`\ntidewire_certificate_expiry_timestamp_seconds (\S+)\n`).FindStringSubmatch(text)
	if code != 200 || ends == nil || !strings.Contains(text, "\ntidewire_webhook_breaker_open 0\n") || !strings.Contains(text, "\n"+`tidewire_webhook_questions_total{event="join"} 0`+"\n") {
		t.Fatalf("%d %.3000s", code, text)
	}
	var at float64
	if fmt.Sscan(ends[1], &at); time.Until(time.Unix(int64(at), 0)).Round(time.Hour) != time.Hour {
		t.Errorf("the certificate ends at %s", ends[1])
	}
}

// As long as there was no key set nobody should be sent here; once there is, tokens by its keys are good.
func TestReadyWithTheKeySet(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	up := atomic.Bool{}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			http.Error(w, "not yet", http.StatusBadGateway)
			return
		}
		text := base64.RawURLEncoding.EncodeToString
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"one","x":%q,"y":%q}]}`, text(point[1:33]), text(point[33:]))
	}))
	t.Cleanup(keys.Close)
	s := serve(t, "--rooms", "chat:* allow=join", "--jwt-jwks", keys.URL)
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "one"
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	if code, why := get(t, "http://"+s.host+"/readyz"); code != 503 || !strings.Contains(why, "JWKS") {
		t.Errorf("without keys: %d %s", code, why)
	}
	up.Store(true)
	eventually(t, "the keys are there", func() error {
		if code, why := get(t, "http://"+s.host+"/readyz"); code != 200 {
			return fmt.Errorf("%d %s", code, why)
		}
		return nil
	})
	c, err := s.enter(t, text)
	if err != nil || c.State().User != "ann" {
		t.Fatalf("%v", err)
	}
}
