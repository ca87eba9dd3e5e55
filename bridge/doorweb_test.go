package bridge

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
)

// TestDoorCloses has a door be closed while somebody does not take the end of an answer, who has a little time.
func TestDoorCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &way{Rule: Rule{Listen: MustParse("ws://127.0.0.1:0/")}, bridge: &Bridge{log: slog.New(slog.DiscardHandler), closing: t.Context()}}
		w.Web = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, strings.Repeat("page", 100)) })
		d, err := listenWeb(w)
		if err != nil {
			t.Fatal(err)
		}
		d.ln.Close()
		ln := wstest.Listen(wstest.PipeOptions{Buffer: 64})
		d.ln = ln
		if err := d.add(w); err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- d.serve() }()
		deaf, err := ln.DialContext(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer deaf.Close()
		io.WriteString(deaf, "GET / HTTP/1.0\r\n\r\n")
		synctest.Wait()
		closed := time.Now()
		d.close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if d := time.Since(closed); d < 3*time.Second || d > 10*time.Second {
			t.Errorf("served for %v", d)
		}
		if got, _ := io.ReadAll(deaf); !strings.HasPrefix(string(got), "HTTP/1.0 200 ") || strings.HasSuffix(string(got), "page") {
			t.Errorf("%q came", got)
		}
	})
}
