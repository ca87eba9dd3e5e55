package wstest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
)

// TestListenerServesHTTP runs an ordinary server and client in a bubble.
func TestListenerServesHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Listen(wstest.PipeOptions{Faults: wstest.Faults{Chunk: 5}})
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour) // virtual
			io.WriteString(w, r.RemoteAddr+" asked for "+r.URL.Path)
		})}
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		tr := &http.Transport{DialContext: l.DialContext}
		client := &http.Client{Transport: tr}
		res, err := client.Get("http://anything/page")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if string(body) != "client:1 asked for /page" || err != nil {
			t.Errorf("body %q, %v", body, err)
		}
		tr.CloseIdleConnections()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
		_, err = client.Get("http://anything/")
		wantErr(t, err, syscall.ECONNREFUSED)
	})
}

func TestListenerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := wstest.Addr("home:1")
		l := wstest.Listen(wstest.PipeOptions{Addr: wstest.Addr("me:2")}, wstest.PipeOptions{Addr: own})
		if l.Addr() != own {
			t.Errorf("address %v", l.Addr())
		}
		go func() {
			c, err := l.DialContext(t.Context(), "tcp", "x:1")
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, c.LocalAddr().String()+" "+c.RemoteAddr().String())
			c.Close()
		}()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.(*wstest.PipeConn); !ok {
			t.Errorf("Accept returned a %T", c)
		}
		got, err := io.ReadAll(c)
		if string(got) != "me:2 home:1" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}

		// Nobody accepts: the context ends the wait.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 {
			_, err = l.DialContext(ctx, "tcp", "x:1")
			wantErr(t, err, context.DeadlineExceeded)
		}

		// Close ends both waits.
		errs := make(chan error, 1)
		go func() { _, err := l.DialContext(t.Context(), "tcp", "x:1"); errs <- err }()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		wantErr(t, <-errs, syscall.ECONNREFUSED)
		_, err = l.Accept()
		wantErr(t, err, net.ErrClosed)
		wantErr(t, l.Close(), net.ErrClosed)
		if !strings.Contains(err.Error(), "home:1") {
			t.Errorf("%v does not name the address", err)
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("three PipeOptions did not panic")
		}
	}()
	wstest.Listen(wstest.PipeOptions{}, wstest.PipeOptions{}, wstest.PipeOptions{})
}
