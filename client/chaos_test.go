//go:build !js

package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// A hub is one room with history over real sockets, which loses its connections all the time.
type hub struct {
	mu      sync.Mutex
	log     []protocol.Message
	stored  map[string]uint64 // by mid
	members map[*ws.Conn]bool
}

func (h *hub) serve(ctx context.Context, c *ws.Conn) error {
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.members, c)
	}()
	for left := 20 + rand.N(200); ; left-- {
		_, b, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if left == 0 {
			return c.CloseNow() // what was read is not looked at
		}
		m, err := protocol.JSON.Parse(b, 0)
		if err != nil {
			return err
		}
		h.mu.Lock()
		h.take(c, &m)
		h.mu.Unlock()
		if rand.N(50) == 0 {
			return c.CloseNow() // what was stored may not be acknowledged
		}
	}
}

func say(c *ws.Conn, format string, args ...any) {
	c.Write(context.Background(), ws.Text, fmt.Appendf(nil, format, args...))
}

func (h *hub) take(c *ws.Conn, m *protocol.Message) {
	switch m.Type {
	case "$hello":
		say(c, `{"type":"$ok","re":%d,"data":{"session":"s","dedupe":120000,"backoff":[10,20]}}`, m.ID)
		var hello protocol.Hello
		m.Codec.Unmarshal(m.Data, &hello)
		for _, j := range hello.Join {
			h.join(c, "", j.Pos)
		}
	case "$join":
		var pos *protocol.Position
		if !m.Pos.IsZero() {
			pos = &m.Pos
		}
		h.join(c, fmt.Sprintf(`"re":%d,`, m.ID), pos)
	case "$leave":
		delete(h.members, c)
		say(c, `{"type":"$ok","re":%d}`, m.ID)
	default:
		seq := h.stored[m.Mid]
		if seq == 0 {
			seq = uint64(len(h.log) + 1)
			h.stored[m.Mid] = seq
			h.log = append(h.log, *m)
			for member := range h.members {
				if rand.N(100) > 0 { // one that is lost on the way: prev tells
					h.deliver(member, seq)
				}
			}
		}
		say(c, `{"type":"$ok","re":%d,"room":"room:7","pos":{"epoch":"k","seq":%d,"mid":%q}}`, m.ID, seq, m.Mid)
	}
}

func (h *hub) join(c *ws.Conn, re string, pos *protocol.Position) {
	from := uint64(0)
	if pos != nil {
		from = pos.Seq
	}
	say(c, `{"type":"$ok",%s"room":"room:7","pos":{"epoch":"k","seq":%d},"data":{"recovered":%t,"head":%d}}`, re, from, pos != nil, len(h.log))
	for seq := from + 1; seq <= uint64(len(h.log)); seq++ {
		h.deliver(c, seq)
	}
	h.members[c] = true
	say(c, `{"type":"$live","room":"room:7","pos":{"epoch":"k","seq":%d}}`, len(h.log))
}

func (h *hub) deliver(c *ws.Conn, seq uint64) {
	m := &h.log[seq-1]
	say(c, `{"type":"chat","room":"room:7","prev":%d,"pos":{"seq":%d},"mid":%q,"data":%s}`, seq-1, seq, m.Mid, m.Data)
}

// TestChaos sends over connections that break all the time, and looks whether everything is stored once and in
// order, and received once and in order. No virtual time: the sockets are real.
func TestChaos(t *testing.T) {
	h := &hub{stored: map[string]uint64{}, members: map[*ws.Conn]bool{}}
	srv := httptest.NewServer(ws.HTTPHandler(h.serve, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}}))
	defer srv.Close()
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	dial := func() *client.Client {
		t.Helper()
		c, err := client.Dial(t.Context(), url, &client.Options{
			Lazy:    true,
			Backoff: client.Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond, Settle: time.Millisecond},
			DialOptions: ws.DialOptions{
				ConnOptions: ws.ConnOptions{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
				NetDial:     (&net.Dialer{}).DialContext,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	const senders, each = 4, 250
	var received []string
	all := make(chan struct{})
	reader := dial()
	room, _ := reader.Room("room:7", nil)
	client.OnMessage(room, "chat", func(_ context.Context, s string, m client.Meta) {
		if received = append(received, s); len(received) == senders*each {
			close(all)
		}
	})
	room.OnGap(func(_ context.Context, g client.Gap) { t.Error(&g) })
	if err := room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range senders {
		c := dial()
		defer c.Close(t.Context())
		r, _ := c.Room("room:7", nil)
		slots := make(chan struct{}, 20)
		for i := range each {
			slots <- struct{}{}
			order := make(chan struct{})
			wg.Add(1)
			go func() {
				defer wg.Done()
				// Sends begin one after another; a context of each tells when one has its place.
				_, err := r.Send(placed{t.Context(), order}, "chat", fmt.Sprintf("%d/%d", n, i))
				if err != nil {
					t.Error(err)
				}
				<-slots
			}()
			<-order
		}
	}
	wg.Wait()
	// What is lost on the way last is only missed when something follows.
	for done := false; !done; {
		select {
		case <-all:
			done = true
		case <-time.After(20 * time.Millisecond):
			h.mu.Lock()
			for c := range h.members {
				c.CloseNow()
			}
			h.mu.Unlock()
		}
	}
	if err := reader.Close(t.Context()); err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var stored []string
	next := [senders]int{}
	for _, m := range h.log {
		s := strings.Trim(string(m.Data), `"`)
		stored = append(stored, s)
		var n, i int
		fmt.Sscanf(s, "%d/%d", &n, &i)
		if i != next[n] {
			t.Fatalf("%s is stored where %d/%d belongs", s, n, next[n])
		}
		next[n]++
	}
	if !slices.Equal(stored, received) {
		t.Errorf("stored %d, received %d, and not the same", len(stored), len(received))
	}
}

// placed tells that somebody waits for the context's end, which Send does once the message has its place.
type placed struct {
	context.Context
	order chan struct{}
}

func (p placed) Done() <-chan struct{} {
	select {
	case <-p.order:
	default:
		close(p.order)
	}
	return p.Context.Done()
}
