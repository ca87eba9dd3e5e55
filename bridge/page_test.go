package bridge

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A page that takes longer than the server's WriteTimeout is sent to its end, as long as it is taken.
func TestPageTakesItsTime(t *testing.T) {
	const timeout = 200 * time.Millisecond
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		p := page{rw, timeout}
		for range 10 {
			time.Sleep(timeout / 4)
			if _, err := io.WriteString(p, "some of it\n"); err != nil {
				t.Error(err)
			}
			p.Flush()
		}
	}))
	server.Config.WriteTimeout = timeout
	server.Start()
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || len(got) != 110 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
