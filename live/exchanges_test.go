package live_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// step is one of an exchange in testdata/protocol/exchanges.json.
type step struct {
	Open, Close string
	Session     string
	From        string
	Message     json.RawMessage
	Text        string
	Any         string
}

// The exchanges of testdata/protocol happen with this hub, in both codecs, and through a
// tunnel.
func TestExchanges(t *testing.T) {
	raw, err := os.ReadFile("../testdata/protocol/exchanges.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name  string
		Steps []step
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		for _, codec := range []protocol.Codec{protocol.JSON, protocol.CBOR} {
			if codec == protocol.CBOR && hasText(x.Steps) {
				continue
			}
			t.Run(x.Name+" "+codec.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) { exchange(t, (*kit).dial, codec, x.Steps) })
			})
			t.Run(x.Name+" "+codec.String()+" through a tunnel", func(t *testing.T) {
				bubble(t, func(t *testing.T) { exchange(t, (*kit).dialTunnel, codec, x.Steps) })
			})
		}
	}
}

func hasText(steps []step) bool {
	for _, s := range steps {
		if s.Text != "" {
			return true
		}
	}
	return false
}

// exchangeHub configures the hub that testdata/protocol/README.md describes.
func exchangeHub(h *live.Hub) {
	anybody := func(context.Context, *live.Session, string) error { return nil }
	nobody := func(context.Context, *live.Session, string, string) error { return errors.New("closed") }
	h.ConfigureRooms("room:*", live.RoomOptions{History: 100, Presence: true, CanWatch: anybody})
	h.ConfigureRooms("open:*", live.RoomOptions{})
	h.ConfigureRooms("closed:*", live.RoomOptions{CanJoin: nobody, CanPublish: nobody})
	live.Handle(h, "sum", func(_ context.Context, _ *live.Session, n []float64) (float64, error) {
		total := 0.0
		for _, x := range n {
			total += x
		}
		return total, nil
	})
	live.Handle(h, "ask", func(ctx context.Context, s *live.Session, q any) (any, error) {
		return live.Call[any, any](ctx, s, "confirm", q)
	})
}

func exchange(t *testing.T, dial func(*kit, ...string) *peer, codec protocol.Codec, steps []step) {
	k := newKit(t, &live.Options{Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
		user, ok := strings.CutPrefix(c.Token, "token-")
		if !ok && c.Token != "" {
			return live.Identity{}, errors.New("bad token")
		}
		return live.Identity{User: user}, nil
	}}, exchangeHub)
	x := &exchanged{t: t, codec: codec, names: map[string]any{}}
	peers := map[string]*peer{"a": dial(k, codec.Subprotocol())}
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		p := peers[cmp.Or(s.Session, "a")]
		switch {
		case s.Open != "":
			peers[s.Open] = dial(k, codec.Subprotocol())
		case s.Close != "":
			peers[s.Close].conn.Close(ws.StatusNormalClosure, "")
		case s.Text != "":
			p.send("%s", s.Text)
		case s.From == "C":
			x.send(p, s.Message)
		default:
			wants := map[*peer][]json.RawMessage{p: {s.Message}}
			for s.Any != "" && i+1 < len(steps) && steps[i+1].Any == s.Any {
				i++
				q := peers[cmp.Or(steps[i].Session, "a")]
				wants[q] = append(wants[q], steps[i].Message)
			}
			for q, left := range wants {
				for len(left) > 0 {
					left = x.expect(q, left)
				}
			}
		}
	}
}

// exchanged is an exchange under way: what its names stand for.
type exchanged struct {
	t     *testing.T
	codec protocol.Codec
	names map[string]any
}

func (x *exchanged) send(p *peer, text json.RawMessage) {
	var v any
	json.Unmarshal(text, &v)
	raw, err := json.Marshal(x.fill(v))
	if err != nil {
		x.t.Fatal(err)
	}
	m, err := protocol.JSON.Parse(raw, 0)
	if err != nil {
		x.t.Fatalf("%s: %v", raw, err)
	}
	b, err := x.codec.Append(nil, &m)
	if err != nil {
		x.t.Fatal(err)
	}
	typ := ws.Text
	if x.codec == protocol.CBOR {
		typ = ws.Binary
	}
	if err := p.conn.Write(x.t.Context(), typ, b); err != nil {
		x.t.Fatal(err)
	}
}

// fill puts in what names stand for.
func (x *exchanged) fill(v any) any {
	switch v := v.(type) {
	case string:
		if known, ok := x.names[v]; ok {
			return known
		}
	case map[string]any:
		for k := range v {
			v[k] = x.fill(v[k])
		}
	case []any:
		for i := range v {
			v[i] = x.fill(v[i])
		}
	}
	return v
}

// expect reads the next message and returns the wants that it does not meet; one it
// must meet.
func (x *exchanged) expect(p *peer, wants []json.RawMessage) []json.RawMessage {
	x.t.Helper()
	_, raw, err := p.conn.Read(x.t.Context())
	if err != nil {
		x.t.Fatalf("want %s: %v", wants[0], err)
	}
	m, err := x.codec.Parse(raw, 64)
	if err != nil {
		x.t.Fatalf("%q: %v", raw, err)
	}
	text, err := protocol.JSON.Append(nil, &m)
	if err != nil {
		x.t.Fatal(err)
	}
	var got any
	json.Unmarshal(text, &got)
	for i, w := range wants {
		var want any
		json.Unmarshal(w, &want)
		found := map[string]any{}
		if x.matches(got, want, true, found) {
			for name, v := range found {
				x.names[name] = v
			}
			return append(wants[:i:i], wants[i+1:]...)
		}
	}
	x.t.Fatalf("got %s, want %s", text, wants)
	return nil
}

func (x *exchanged) matches(got, want any, there bool, found map[string]any) bool {
	switch w := want.(type) {
	case string:
		switch {
		case w == "<any>":
			return there
		case w == "<absent>":
			return !there || got == false
		case strings.HasPrefix(w, "<") && strings.HasSuffix(w, ">"):
			if known, ok := x.names[w]; ok {
				return there && equal(got, known)
			}
			found[w] = got
			return there
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		for k, v := range w {
			one, there := g[k]
			if !x.matches(one, v, there, found) {
				return false
			}
		}
		return ok
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !x.matches(g[i], w[i], true, found) {
				return false
			}
		}
		return true
	}
	return there && equal(got, want)
}

func equal(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}
