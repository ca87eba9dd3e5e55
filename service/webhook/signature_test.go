package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/service/webhook"
)

// The vector of the Standard Webhooks' own libraries.
const (
	vectorID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime = "1614265330"
	vectorBody = `{"test": 2432232314}`
	vectorSum  = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func vector(id, at, signature string) http.Header {
	return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signature}}
}

func TestVerify(t *testing.T) {
	other := webhook.NewSecret()
	now := time.Unix(1614265330, 0)
	foreign := "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, tc := range []struct {
		name    string
		header  http.Header
		body    string
		now     time.Time
		secrets []string
		want    error
	}{
		{"vector", vector(vectorID, vectorTime, vectorSum), vectorBody, now, []string{secret}, nil},
		{"second of our secrets", vector(vectorID, vectorTime, vectorSum), vectorBody, now, []string{other, secret}, nil},
		{"second of its signatures", vector(vectorID, vectorTime, foreign+" v1a,x "+vectorSum), vectorBody, now, []string{secret}, nil},
		{"late", vector(vectorID, vectorTime, vectorSum), vectorBody, now.Add(5 * time.Minute), []string{secret}, nil},
		{"too late", vector(vectorID, vectorTime, vectorSum), vectorBody, now.Add(5*time.Minute + time.Second), []string{secret}, webhook.ErrTime},
		{"too early", vector(vectorID, vectorTime, vectorSum), vectorBody, now.Add(-5*time.Minute - time.Second), []string{secret}, webhook.ErrTime},
		{"another secret", vector(vectorID, vectorTime, vectorSum), vectorBody, now, []string{other}, webhook.ErrSignature},
		{"another body", vector(vectorID, vectorTime, vectorSum), vectorBody + " ", now, []string{secret}, webhook.ErrSignature},
		{"another id", vector("msg_2", vectorTime, vectorSum), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"another time", vector(vectorID, "1614265331", vectorSum), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"time of another form", vector(vectorID, "+1614265330", vectorSum), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"no id", vector("", vectorTime, vectorSum), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"long id", vector(strings.Repeat("x", 1<<20), vectorTime, vectorSum), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"no signature", vector(vectorID, vectorTime, ""), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"no version", vector(vectorID, vectorTime, vectorSum[3:]), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"another version", vector(vectorID, vectorTime, "v2"+vectorSum[2:]), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"half of it", vector(vectorID, vectorTime, vectorSum[:20]), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"behind too many", vector(vectorID, vectorTime, strings.Repeat(foreign+" ", 16)+vectorSum), vectorBody, now, []string{secret}, webhook.ErrSignature},
		{"nothing", http.Header{}, "", now, []string{secret}, webhook.ErrSignature},
	} {
		id, err := webhook.Verify(tc.header, []byte(tc.body), tc.now, tc.secrets...)
		if !errors.Is(err, tc.want) || err == nil && id != vectorID {
			t.Errorf("%s: %q, %v, want %v", tc.name, id, err, tc.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	if a, b := webhook.NewSecret(), webhook.NewSecret(); a == b || !strings.HasPrefix(a, "whsec_") {
		t.Errorf("%s and %s", a, b)
	}
	for _, bad := range [][]string{nil, {""}, {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, {"whsec_"}, {"whsec_c2VzYW1l"}, {"whsec_!!!"}, {secret, "whsec_x"},
		{secret[:20] + "\n" + secret[20:]}, {"whsec_" + strings.Repeat("AAAA", 22)}, {secret, secret, secret, secret, secret, secret, secret, secret, secret}} {
		_, err := webhook.Verify(http.Header{}, nil, time.Now(), bad...)
		_, err2 := webhook.New(webhook.Options{URL: "https://app.example/", Secrets: bad, Events: everything})
		_, err3 := webhook.NewGuard(0, bad...)
		for _, err := range []error{err, err2, err3} {
			if err == nil || errors.Is(err, webhook.ErrSignature) || len(bad) > 0 && len(bad[0]) > 6 && strings.Contains(err.Error(), bad[0][6:]) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

// signed returns the headers of a request, signed as the convention has it.
func signed(id string, at time.Time, body string) http.Header {
	key := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")))
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%d.%s", id, at.Unix(), body)
	return vector(id, fmt.Sprint(at.Unix()), "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

func TestGuard(t *testing.T) {
	g := must(webhook.NewGuard(3, secret))
	now := time.Unix(1700000000, 0)
	check := func(id string, at time.Time, body string, again bool, want error) {
		t.Helper()
		got, twice, err := g.Check(signed(id, at, body), []byte(body), now)
		if !errors.Is(err, want) || twice != again || err == nil && got != id {
			t.Errorf("%s at %v: %q, again %v, %v; want again %v, %v", id, at.Sub(now), got, twice, err, again, want)
		}
	}
	check("a", now, "1", false, nil)
	check("a", now, "1", false, webhook.ErrReplay)
	check("a", now, "2", true, nil)
	check("a", now.Add(time.Second), "2", true, nil)
	if _, _, err := g.Check(signed("a", now, "3"), []byte("4"), now); err != webhook.ErrSignature {
		t.Errorf("a forged one: %v", err)
	}
	// It is full: the oldest is forgotten, and what is as old refused.
	check("b", now.Add(2*time.Second), "1", false, nil)
	check("a", now, "1", false, webhook.ErrTime)
	check("c", now, "1", false, webhook.ErrTime)
	check("b", now.Add(2*time.Second), "1", false, webhook.ErrReplay)
	// What is too old anyhow makes room.
	now = now.Add(time.Hour)
	for _, id := range []string{"a", "b", "c"} {
		check(id, now, "1", false, nil)
	}
	check("a", now, "1", false, webhook.ErrReplay)
	for n := range 1000 { // it goes on so
		now = now.Add(time.Second)
		check("c", now, fmt.Sprint(n), true, nil)
	}
}
