package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestConnectAgain has a server go and come: each time it is connected to again, and told the preamble; what is typed meanwhile
// is sent to the next one.
func TestConnectAgain(t *testing.T) {
	socket := filepath.Join(shortDir(t), "ws")
	met := make(chan *ws.Conn)
	serve := func() (stop func()) {
		ln, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := ws.Accept(w, r, nil); err == nil {
				met <- c
			}
		})}
		served := make(chan struct{})
		go func() {
			defer close(served)
			server.Serve(ln)
		}()
		return func() {
			server.Close()
			<-served
		}
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var out, notes heard
	r, input := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		args := []string{"connect", "ws+unix://" + socket + ":/x", "-r", "--reconnect-max", "20ms", "-x", "first", "-x", "second"}
		ended <- run(ctx, args, stdio{r, &out, &notes})
	}()
	notes.until(t, "there is no such socket") // which is no reason to end
	for round, how := range []struct {
		end  func(c *ws.Conn)
		says string
	}{
		{func(c *ws.Conn) { c.CloseNow() }, "the connection broke: 1006"},
		{func(c *ws.Conn) { c.Close(1012, "") }, "closed by the peer: 1012 (service restart); connecting again in "},
		{func(c *ws.Conn) { c.Close(1000, "") }, "closed by the peer: 1000 (normal closure)"},
		{nil, ""},
	} {
		stop := serve()
		var c *ws.Conn
		select {
		case c = <-met:
		case <-patient(t).Done():
			t.Fatal("it does not come again")
		}
		hears(t, c, "first")
		hears(t, c, "second")
		if round > 0 {
			hears(t, c, "meanwhile")
		}
		says(t, c, "hello")
		out.until(t, "hello\n")
		if how.end == nil {
			leave()
			closes(t, c, ws.StatusNormalClosure)
			stop()
			break
		}
		stop() // before it ends, so that none comes between
		how.end(c)
		notes.until(t, how.says)
		io.WriteString(input, "meanwhile\n")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if rest := out.text + out.take(); strings.TrimSpace(rest) != "" {
		t.Errorf("it prints %q, too", rest)
	}
	input.Close()
}
