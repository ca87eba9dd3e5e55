package webhook_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/webhook"
)

// BenchmarkQuestion asks an application on the loopback, which checks the signature, over a connection that is there.
func BenchmarkQuestion(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, err := webhook.Verify(r.Header, body, time.Now(), secret); err != nil {
			b.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"user":"ann","rooms":[{"room":"room:*","can":["join","publish"]}]}`)
	}))
	defer s.Close()
	w := must(webhook.New(webhook.Options{URL: s.URL, Secrets: []string{secret}, Events: everything[:1], Logger: slog.New(slog.DiscardHandler)}))
	defer w.Close(b.Context())
	ask := w.Authenticate(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ask(b.Context(), live.Credentials{Token: "sesame", RemoteAddr: "192.0.2.1:1"}); err != nil {
			b.Fatal(err)
		}
	}
}
