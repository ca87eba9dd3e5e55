//go:build !js

package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

func TestDialWaitsForHello(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		type dialled struct {
			c   *client.Client
			err error
		}
		done := make(chan dialled, 1)
		dial := func(ctx context.Context) {
			go func() {
				c, err := client.Dial(ctx, "ws://localhost/live", s.options(nil))
				done <- dialled{c, err}
			}()
		}
		dial(t.Context())
		p := s.next()
		hello := p.expect("$hello")
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("Dial returned before $hello was answered")
		}
		p.send(`{"type":"$ok","re":%d,"data":{%s}}`, hello.ID, welcome)
		d := <-done
		if d.err != nil {
			t.Fatal(d.err)
		}
		if got := d.c.State(); got != (client.State{Phase: client.Open, Session: "s1", User: "ann"}) {
			t.Errorf("state is %+v", got)
		}
		if err := d.c.Close(t.Context()); err != nil {
			t.Error(err)
		}

		dial(t.Context())
		p = s.next()
		p.fail(p.expect("$hello"), "unauthorized", false, 0)
		wantCode(t, (<-done).err, "unauthorized")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		dial(ctx)
		wantErr(t, (<-done).err, context.DeadlineExceeded)

		s.mu.Lock()
		s.down = true
		s.mu.Unlock()
		dial(t.Context())
		if err := (<-done).err; err == nil || !strings.Contains(err.Error(), "the cable is out") || strings.Count(err.Error(), "client:") != 1 {
			t.Error(err)
		}
	})
}

func TestHandshakeError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	}))
	defer server.Close()
	_, err := client.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	var refused *client.HandshakeError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(refused.Response.Body)
	if refused.Response.StatusCode != http.StatusTeapot || string(body) != "short and stout" {
		t.Errorf("%s %q", refused.Response.Status, body)
	}
}

func TestStates(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		l := &log{}
		c, p := s.connect(&client.Options{OnState: func(s client.State) { l.add("%s %t", s.Phase, s.Err != nil) }})
		p.cut()
		s.next().welcome()
		l.want(t, "connecting false", "open false", "waiting true", "connecting false", "open false")
		c.Close(t.Context())
		l.want(t, "closed false")
		if !errors.Is(c.Err(), client.ErrClosed) {
			t.Error(c.Err())
		}
	})
}

// TestBackoff fails 4000 times over and looks at how the waits are spread.
func TestBackoff(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		var mu sync.Mutex
		waits := map[int][]time.Duration{}
		s.down = true
		const clients = 400
		for range clients {
			n := 0
			s.lazy(&client.Options{
				Backoff: client.Backoff{Min: time.Second, Max: 10 * time.Second},
				OnState: func(st client.State) {
					if st.Phase == client.Waiting {
						mu.Lock()
						defer mu.Unlock()
						n++
						waits[n] = append(waits[n], st.Wait)
					}
				},
			})
		}
		time.Sleep(2 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for n, top := range map[int]time.Duration{1: 2, 2: 4, 3: 8, 4: 10, 5: 10, 6: 10} {
			uniform(t, waits[n], time.Second, top*time.Second)
		}
	})
}

// uniform checks that waits are spread evenly over a range, with room for chance.
func uniform(t *testing.T, waits []time.Duration, least, greatest time.Duration) {
	t.Helper()
	const parts = 4
	var count [parts]int
	for _, w := range waits {
		if w < least || w > greatest {
			t.Fatalf("a wait of %v, outside %v to %v", w, least, greatest)
		}
		count[min(int((w-least)*parts/(greatest-least)), parts-1)]++
	}
	for _, n := range count {
		if want := len(waits) / parts; n < want/2 || n > want*3/2 {
			t.Errorf("%v waits in the quarters of %v to %v", count, least, greatest)
		}
	}
}

func TestServersBackoff(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		var waits, drained []time.Duration
		for range 200 {
			c := s.lazy(nil)
			p := s.next()
			p.welcomeWith(`"session":"s","backoff":[3000,4000]`)
			synctest.Wait()
			p.cut()
			synctest.Wait()
			waits = append(waits, c.State().Wait)
			p = s.next()
			p.welcome()
			p.send(`{"type":"$drain","data":{"backoff":[1000,60000]}}`)
			p.conn.Close(ws.StatusServiceRestart, "")
			synctest.Wait()
			drained = append(drained, c.State().Wait)
			c.Close(t.Context())
		}
		uniform(t, waits, 3*time.Second, 4*time.Second)
		uniform(t, drained, time.Second, time.Minute)
	})
}

func TestSettle(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c := s.lazy(nil)
		waits := func(lasts time.Duration) (longest time.Duration) {
			for range 40 {
				p := s.next()
				p.welcome()
				time.Sleep(lasts)
				p.cut()
				synctest.Wait()
				longest = max(longest, c.State().Wait)
			}
			return longest
		}
		if d := waits(4900 * time.Millisecond); d < 5*time.Second {
			t.Errorf("connections that do not last: at most %v", d)
		}
		waits(6 * time.Second)
		if d := waits(6 * time.Second); d > time.Second {
			t.Errorf("connections that last: %v", d)
		}
	})
}

func TestCloseCodes(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		for code, greatest := range map[ws.StatusCode]bool{1001: false, 1008: true, 1009: true, 1011: false, 1012: false, 1013: false} {
			c, p := s.connect(nil)
			p.conn.Close(code, "")
			synctest.Wait()
			st := c.State()
			if st.Phase != client.Waiting || (st.Wait == 20*time.Second) != greatest || ws.CloseStatus(st.Err) != code {
				t.Errorf("%d: %+v", code, st)
			}
			c.Close(t.Context())
		}
	})
}

func TestSentAway(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", nil)
		sent := send(t, r, 1)
		p.expect("chat")
		p.conn.Close(protocol.StatusSentAway, "banned")
		<-c.Done()
		wantErr(t, c.Err(), client.ErrSentAway)
		if ws.CloseStatus(c.Err()) != protocol.StatusSentAway || !strings.Contains(c.Err().Error(), "banned") {
			t.Error(c.Err())
		}
		wantErr(t, <-sent, client.ErrUnknown)
		wantErr(t, r.Join(t.Context()), client.ErrClosed)
		time.Sleep(time.Hour)
		if len(s.peers) != 0 || c.State().Phase != client.Closed {
			t.Error("came back")
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSilentServer(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		client.SetPingEvery(t, 25*time.Second)
		c, p := s.connect(nil)
		if ping := p.helloData().Ping; ping != 25_000 {
			t.Errorf("asked for pings each %d ms", ping)
		}
		for range 10 {
			time.Sleep(25 * time.Second)
			p.send(`{"type":"$ping"}`)
		}
		synctest.Wait()
		if c.State().Phase != client.Open {
			t.Fatal(c.State())
		}
		start := time.Now()
		s.next()
		if d := time.Since(start); d < 50*time.Second || d > 80*time.Second {
			t.Errorf("dropped after %v of silence", d)
		}
	})
}

func TestPings(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		if p.helloData().Ping != 0 {
			t.Error("asks for $ping beside the pings of ws")
		}
		p.send(`{"type":"$ping","id":4}`)
		if m := p.expect("$ok"); m.Re != 4 {
			t.Errorf("answered %+v", m)
		}
		done := result(func() error { _, err := c.Ping(t.Context()); return err })
		m := p.expect("$ping")
		p.send(`{"type":"$ok","re":%d}`, m.ID)
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.send(`{"type":"$future","id":5}`)
		p.send(`{"type":"$future"}`)
		if m := p.expect("$error"); m.Re != 5 {
			t.Errorf("answered %+v", m)
		}
		p.quiet()
	})
}

func TestHelloUnanswered(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		s.lazy(nil)
		s.next()
		start := time.Now()
		s.next()
		if d := time.Since(start); d < 30*time.Second || d > 32*time.Second {
			t.Errorf("dropped after %v", d)
		}
	})
}

func TestCBOR(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(&client.Options{Codec: client.CBOR})
		if p.codec != protocol.CBOR {
			t.Fatal("no CBOR")
		}
		r, l := room(t, c, "room:7", nil)
		join(t, r, p, 1)
		p.chat("room:7", 1, 2)
		l.want(t, "live", "2")
		done := send(t, r, []byte{1, 2})
		m := p.expect("chat")
		if string(m.Data) != "\x42\x01\x02" {
			t.Errorf("sent %x", m.Data)
		}
		p.ok(m, 3)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
