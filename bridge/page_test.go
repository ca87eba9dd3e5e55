package bridge

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
)

// A page that takes longer than the server's WriteTimeout is sent to its end, as long as it is taken.
func TestPageTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.Listen()
		server := &http.Server{WriteTimeout: time.Minute, Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			p := page{rw, time.Minute}
			for range 10 {
				time.Sleep(50 * time.Second)
				if _, err := io.WriteString(p, "some of it\n"); err != nil {
					t.Error(err)
				}
				p.Flush()
			}
		})}
		go server.Serve(ln)
		defer server.Close()
		client := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return ln.DialContext(ctx, network, addr)
		}}
		defer client.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://bridge/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || len(got) != 110 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
