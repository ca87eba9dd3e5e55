package live_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws/tunnel"
)

// nodes2 sends what opens a tunnel to one node, and posts to another.
type nodes2 struct {
	open, post http.Transport
	secret     string // of the last post
}

func newNodes2(t *testing.T, open, post *kit) *nodes2 {
	n := &nodes2{}
	n.open.DialContext, n.post.DialContext = open.ln.DialContext, post.ln.DialContext
	t.Cleanup(func() {
		n.open.CloseIdleConnections()
		n.post.CloseIdleConnections()
	})
	return n
}

func (n *nodes2) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	g, _ := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), bytes.NewReader(body))
	g.Header = r.Header
	if bytes.HasPrefix(body, []byte("open ")) {
		return n.open.RoundTrip(g)
	}
	n.secret = strings.Fields(string(body[:64]))[1]
	return n.post.RoundTrip(g)
}

// send posts by hand.
func (n *nodes2) send(t *testing.T, body string) (status int) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://hub/", strings.NewReader(body))
	resp, err := n.post.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// A session whose stream comes from one node while its posts reach another.
func TestTunnelAcrossNodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		setup := rooms(live.RoomOptions{History: 100, Presence: true})
		a := newKit(t, &live.Options{Broker: m}, setup)
		b := newKit(t, &live.Options{Broker: m}, setup)
		n := newNodes2(t, a, b)
		p := a.dialBy(tunnel.Dialer{URL: "http://hub/", Client: &http.Client{Transport: n}}.DialContext)
		p.send(`{"type":"$hello","id":1}`)
		hello := p.want(`{"type":"$ok","re":1}`)
		var w protocol.Welcome
		hello.Codec.Unmarshal(hello.Data, &w)
		p.join("room:7")
		for i := range 50 {
			p.send(`{"type":"n","room":"room:7","data":%d}`, i)
			p.want(fmt.Sprintf(`{"type":"n","data":%d,"pos":{"seq":%d}}`, i, i+1))
		}
		if a.hub.Len() != 1 || b.hub.Len() != 0 {
			t.Errorf("%d and %d sessions", a.hub.Len(), b.hub.Len())
		}

		// What presence shows of a session opens nothing.
		frame := "\x81\x80\x00\x00\x00\x00"
		node, _, _ := strings.Cut(n.secret, ".")
		for _, guess := range []string{w.Session, node + "." + w.Session, node, node + ".", "." + w.Session} {
			if status := n.send(t, "post "+guess+" 1\n"+frame); status != http.StatusNotFound && status != http.StatusServiceUnavailable {
				t.Errorf("a post with %s: %d", guess, status)
			}
		}
		if status := n.send(t, "post nowhere.x 1\n"+frame); status != http.StatusServiceUnavailable {
			t.Errorf("a post to a node that is not there: %d", status)
		}
		p.send(`{"type":"$ping","id":9}`)
		p.want(`{"type":"$ok","re":9}`)

		a.hub.Close() // and then posts find nobody, rather than somebody else
		p.closed()
		synctest.Wait()
		if status := n.send(t, "post "+n.secret+" 99\n"+frame); status != http.StatusServiceUnavailable {
			t.Errorf("a post to a node that has gone: %d", status)
		}
	})
}

// The rules for WebSockets are those for tunnels.
func TestTunnelRules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{
			Limits: live.Limits{Sessions: 1},
			Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
				cookie := c.Header.Get("Cookie")
				return live.Identity{User: strings.TrimPrefix(cookie, "user=")}, nil
			},
		}
		k := newKit(t, o, rooms(live.RoomOptions{}))
		n := newNodes2(t, k, k)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://hub/", strings.NewReader("open tidewire.v1.json\n"))
		r.Header.Set("Cookie", "user=ann")
		resp, err := n.open.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", resp, err)
		}
		synctest.Wait()
		if status := n.send(t, "open \n"); status != http.StatusServiceUnavailable {
			t.Errorf("past the bound: %d", status)
		}
		line := make([]byte, 200)
		at, _ := resp.Body.Read(line)
		secret, protocol, _ := strings.Cut(strings.TrimSuffix(string(line[:at]), "\n"), " ")
		if protocol != "tidewire.v1.json" {
			t.Errorf("the protocol is %q", protocol)
		}
		text := `{"type":"$hello","id":1}`
		if status := n.send(t, "post "+secret+" 1\n\x81"+string([]byte{0x80 | byte(len(text))})+"\x00\x00\x00\x00"+text); status != http.StatusNoContent {
			t.Errorf("a post: %d", status)
		}
		rest := make([]byte, 1000)
		at, _ = io.ReadAtLeast(resp.Body, rest, 20)
		if got := string(rest[:at]); !strings.Contains(got, `"user":"ann"`) {
			t.Errorf("the answer is %q", got)
		}
		resp.Body.Close()
		synctest.Wait()
		if k.hub.Len() != 0 {
			t.Error("the session outlived its stream")
		}
		p := k.dialTunnel()
		p.send(`{"type":"$hello","id":1}`)
		p.want(`{"type":"$ok","re":1}`)
		p.conn.CloseNow()

		off := newKit(t, &live.Options{NoTunnel: true}, nil)
		if status := newNodes2(t, off, off).send(t, "open \n"); status != http.StatusUpgradeRequired {
			t.Errorf("with NoTunnel: %d", status)
		}
	})
}
