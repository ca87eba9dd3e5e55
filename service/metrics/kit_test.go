package metrics_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/metrics"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// kit is a hub that is measured, under virtual time.
type kit struct {
	t   testing.TB
	m   *metrics.Metrics
	hub *live.Hub
	ln  *wstest.Listener
}

func newKit(t testing.TB, o metrics.Options, h *live.Options) *kit {
	if h == nil {
		h = &live.Options{}
	}
	k := &kit{t: t, m: metrics.New(o), ln: wstest.Listen()}
	h.Hooks, h.Logger = k.m.Hooks(h.Hooks), quiet
	h.Accept.Engine, h.Accept.PingInterval = ws.NewEngine(), -1
	k.hub = live.NewHub(h)
	k.hub.ConfigureRooms("room:*", live.RoomOptions{History: 100})
	k.hub.ConfigureRooms("loose:*", live.RoomOptions{})
	live.Handle(k.hub, "ask", func(context.Context, *live.Session, any) (int, error) { return 42, nil })
	live.On(k.hub, "tell", func(context.Context, *live.Session, any) error { return nil })
	live.On(k.hub, "own", func(context.Context, *live.Session, any) error { return &live.Error{Code: "shop.closed"} })
	live.On(k.hub, "odd", func(context.Context, *live.Session, any) error { return &live.Error{Code: "odd"} })
	live.On(k.hub, "fail", func(context.Context, *live.Session, any) error { return io.ErrUnexpectedEOF })
	live.On(k.hub, "panic", func(context.Context, *live.Session, any) error { panic("on purpose") })
	k.m.Watch(k.hub)
	served := make(chan error, 1)
	go func() { served <- k.hub.Serve(k.ln) }()
	t.Cleanup(func() {
		k.hub.Close()
		<-served
	})
	return k
}

// dial lets a client in, whose messages are read and thrown away until its end.
func (k *kit) dial() *ws.Conn {
	k.t.Helper()
	c := k.dialDeaf()
	go func() {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	return c
}

// dialDeaf lets a client in that reads nothing.
func (k *kit) dialDeaf() *ws.Conn {
	k.t.Helper()
	c, _, err := ws.Dial(k.t.Context(), "ws://hub/", &ws.DialOptions{
		NetDial: k.ln.DialContext, ConnOptions: ws.ConnOptions{PingInterval: -1},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.CloseNow() })
	return c
}

func (k *kit) send(c *ws.Conn, format string, args ...any) {
	k.t.Helper()
	if err := c.Write(k.t.Context(), ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
		k.t.Fatal(err)
	}
}

// values is what is shown: by name and labels, as in the text format; of a histogram, its _count and _sum.
func (k *kit) values() map[string]float64 {
	k.t.Helper()
	families, err := k.m.Gatherer().Gather()
	if err != nil {
		k.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			text := ""
			if len(labels) > 0 {
				text = "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.GetHistogram() != nil:
				all[f.GetName()+"_count"+text] = float64(m.GetHistogram().GetSampleCount())
				all[f.GetName()+"_sum"+text] = m.GetHistogram().GetSampleSum()
			case m.GetCounter() != nil:
				all[f.GetName()+text] = m.GetCounter().GetValue()
			default:
				all[f.GetName()+text] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// want compares some values.
func (k *kit) want(want map[string]float64) {
	k.t.Helper()
	got := k.values()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[name]; !ok || v != want[name] {
			k.t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want[name])
		}
	}
}

// busy has a hub do a bit of everything that has a metric, and returns it.
func busy(t *testing.T, o metrics.Options) *kit {
	k := newKit(t, o, &live.Options{Limits: live.Limits{Rate: 100, Burst: 100}, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 20_000}}})
	a, b := k.dial(), k.dial()
	for _, c := range []*ws.Conn{a, b} {
		k.send(c, `{"type":"$join","id":1,"room":"room:7"}`)
		k.send(c, `{"type":"$join","id":2,"room":"nowhere"}`)
	}
	synctest.Wait()
	for range 3 {
		k.send(a, `{"type":"say","id":3,"room":"room:7","data":1}`)
	}
	k.send(a, `{"type":"$history","id":4,"room":"room:7"}`)
	k.send(a, `{"type":"ask","id":5}`)
	k.send(a, `{"type":"tell"}`)
	k.send(a, `{"type":"own","id":6}`)
	k.send(a, `{"type":"odd","id":7}`)
	k.send(a, `{"type":"fail","id":8}`)
	k.send(a, `{"type":"unheard-of","id":9}`)
	k.send(a, `no JSON`)
	synctest.Wait()
	k.send(b, `{"type":"panic","id":1}`)
	synctest.Wait()
	c := k.dial()
	synctest.Wait()
	c.Close(4321, "any code")
	synctest.Wait()

	slow := k.dialDeaf()
	k.send(slow, `{"type":"$join","id":1,"room":"room:8"}`)
	synctest.Wait()
	for range 50 { // more than its queue and the pipe hold
		if _, err := k.hub.Room("room:8").Publish(t.Context(), "n", strings.Repeat("x", 5000)); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	if o.MaxAge >= 0 {
		time.Sleep(time.Minute)
	}
	return k
}
