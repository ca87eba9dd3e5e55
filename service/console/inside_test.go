package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestHistogram(t *testing.T) {
	var h histogram
	if h.take(0.5) != nil {
		t.Error("there is something in it")
	}
	for _, d := range []time.Duration{-1, 0, 1, math.MaxInt64} {
		h.add(d)
	}
	h.take(0.5, 1)
	for i := range 10_000 {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for i, got := range h.take(0.01, 0.5, 0.99) {
		if want := []float64{0.1, 5, 9.9}[i]; math.Abs(got-want) > 0.065*want {
			t.Errorf("%v ms, want %v", got, want)
		}
	}
	if h.take(0.5) != nil {
		t.Error("it is not empty")
	}
}

// However many addresses try wrong keys, little is known of them.
func TestWrongKeysAreBounded(t *testing.T) {
	d := door{wrong: map[netip.Addr]time.Time{}}
	now := time.Now()
	for i := range 3 * maxAddresses {
		d.note(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(d.wrong) > maxAddresses {
		t.Errorf("%d addresses are known", len(d.wrong))
	}
	one := netip.MustParseAddr("192.0.2.1")
	for i := range 100 {
		if d.locked(one, now) > 0 != (i >= wrongBurst) {
			t.Fatalf("after %d wrong keys: %v", i, d.locked(one, now))
		}
		if d.locked(one, now) <= 0 {
			d.note(one, now)
		}
	}
	if wait := d.locked(one, now); wait != wrongEvery {
		t.Errorf("to wait: %v", wait)
	}
}

// What is counted of errors and of publishes under way has a bound, too.
func TestMeterIsBounded(t *testing.T) {
	var m Meter
	begun, ended := 0, 0
	h := m.Hooks(&live.Hooks{
		Message: func(ctx context.Context, _ *live.Session, _ *live.Message) (context.Context, func(error)) {
			begun++
			return ctx, func(error) { ended++ }
		},
	})
	m.looked.Store(true)
	for i := range 5000 {
		_, done := h.Message(t.Context(), nil, &live.Message{Type: "n", Room: "r", Mid: fmt.Sprint(i)})
		done(&live.Error{Code: fmt.Sprintf("app.%d", i)})
	}
	if begun != 5000 || ended != 5000 {
		t.Errorf("the hooks behind heard of %d and %d", begun, ended)
	}
	if len(m.flights.all) != maxFlights {
		t.Errorf("%d publishes are timed", len(m.flights.all))
	}
	m.flights.forget(time.Now().Add(time.Hour))
	if len(m.flights.all) != 0 || m.flights.open.Load() != 0 {
		t.Error("they are never given up")
	}
	count := m.errors.take()
	if len(count) != maxCodes+1 || count["others"] != 5000-maxCodes {
		t.Errorf("%v", count)
	}
	if codeOf(errors.New("x")) != "internal" || codeOf(fmt.Errorf("x: %w", live.ErrUnavailable)) != "unavailable" {
		t.Error("codes are not those that clients are told")
	}
	var f feed
	for i := range 1000 {
		f.push(&live.Message{Mid: fmt.Sprint(i)})
	}
	if b := f.take(); len(f.last) != 0 || len(b.Messages) != maxBatch || b.Skipped != 1000-maxBatch {
		t.Errorf("%d messages, %d skipped", len(b.Messages), b.Skipped)
	}
}

// crowd is a console of a hub with so many sessions, each in a room of its own and in one of a hundred others.
func crowd(tb testing.TB, n int) *Console {
	log := slog.New(slog.DiscardHandler)
	engine, ln := ws.NewEngine(), wstest.Listen(wstest.PipeOptions{Buffer: 4096})
	hub := live.NewHub(&live.Options{
		Limits: live.Limits{AddressSessions: -1, AddressRate: -1}, Logger: log,
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: engine, Logger: log}},
	})
	hub.ConfigureRooms(">", live.RoomOptions{History: 10})
	served := make(chan error, 1)
	go func() { served <- hub.Serve(ln) }()
	c, err := New(Options{Hub: hub, Keys: []string{"0123456789abcdef"}, Logger: log, Meter: &Meter{}})
	if err != nil {
		tb.Fatal(err)
	}
	var conns []*ws.Conn
	tb.Cleanup(func() {
		hub.Close()
		c.Close()
		<-served
		for _, conn := range conns {
			conn.CloseNow()
		}
	})
	for i := range n {
		conn, _, err := ws.Dial(tb.Context(), "ws://hub/", &ws.DialOptions{
			NetDial: ln.DialContext, ConnOptions: ws.ConnOptions{Engine: engine},
			Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
		})
		if err != nil {
			tb.Fatal(err)
		}
		conns = append(conns, conn)
		conn.Attach(quietly{})
		for _, room := range []string{fmt.Sprintf("own:%d", i), fmt.Sprintf("room:%d", i%100)} {
			if err := conn.Write(tb.Context(), ws.Text, fmt.Appendf(nil, `{"type":"$join","room":%q}`, room)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); hub.State().Members < 2*n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%d members", hub.State().Members)
		}
	}
	return c
}

// quietly reads and does nothing.
type quietly struct{}

func (quietly) Opened(*ws.Conn)                          {}
func (quietly) Message(*ws.Conn, ws.MessageType, []byte) {}
func (quietly) Closed(*ws.Conn, error)                   {}

// BenchmarkTenThousand is what a viewer costs a hub with 10,000 sessions and 10,100 rooms.
func BenchmarkTenThousand(b *testing.B) {
	c := crowd(b, 10_000)
	now := time.Now()
	step := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Minute)
				f()
			}
		})
	}
	step("sample/looked", func() { c.measure(now, true) })
	step("sample/unseen", func() { c.measure(now, false) })
	step("hot", func() { hottest(c.shown.States()) })
	step("sessions/list", func() { c.listSessions() })
	ctx := context.Background()
	step("sessions/search", func() { c.searchSessions(ctx, nil, search{Text: "own:99", Sort: "age"}) })
	step("sessions/sort", func() { c.searchSessions(ctx, nil, search{Sort: "age"}) })
	step("rooms/list", func() { c.shown.States() })
	step("rooms/sort", func() { c.searchRooms(ctx, nil, search{Sort: "rate", Descending: true}) })
	step("hooks", func() {
		h := c.meter.Hooks(nil)
		_, done := h.Message(ctx, nil, &live.Message{Type: "n", Room: "r", Mid: "m"})
		h.Published(&live.Message{Type: "n", Room: "r", Mid: "m"}, 1)
		done(io.EOF)
	})
}
