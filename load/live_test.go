package load_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/load"
	"github.com/tidewire/tidewire/ws"
)

// told is a message of the protocol, as far as the server here needs it.
type told struct {
	Type string          `json:"type"`
	ID   int             `json:"id,omitempty"`
	Re   int             `json:"re,omitempty"`
	Room string          `json:"room,omitempty"`
	Prev uint64          `json:"prev,omitempty"`
	Pos  *place          `json:"pos,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

type place struct {
	Epoch string `json:"epoch,omitempty"`
	Seq   uint64 `json:"seq"`
	Mid   string `json:"mid,omitempty"`
}

// rooms is a small server of the protocol. wrong may change what a member is sent as the n-th
// message of the room, or send something else.
type rooms struct {
	history bool
	wrong   func(c *ws.Conn, n int, m told) (instead bool)

	mu   sync.Mutex
	all  map[string]*chamber
	from *ws.Conn // who published, while wrong is called
}

type chamber struct {
	members []*ws.Conn
	seq     uint64
	n       int
}

func (rs *rooms) serve(ctx context.Context, c *ws.Conn) error {
	joined := ""
	defer func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		if r := rs.all[joined]; r != nil {
			for i, one := range r.members {
				if one == c {
					r.members = append(r.members[:i:i], r.members[i+1:]...)
				}
			}
		}
	}()
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		var msg told
		if err := json.Unmarshal(m.Data, &msg); err != nil {
			return err
		}
		rs.mu.Lock()
		r := rs.all[msg.Room]
		if r == nil {
			if rs.all == nil {
				rs.all = make(map[string]*chamber)
			}
			r = &chamber{seq: 40}
			rs.all[msg.Room] = r
		}
		if msg.Type == "$join" {
			joined = msg.Room
			ok, live := told{Type: "$ok", Re: msg.ID, Room: msg.Room}, told{Type: "$live", Room: msg.Room}
			if rs.history {
				ok.Pos, live.Pos = &place{"e", r.seq, ""}, &place{"e", r.seq, ""}
			}
			send(c, ok)
			send(c, told{Type: "$ping"}) // of which nobody said that it would come
			send(c, live)
			r.members = append(r.members, c)
		} else {
			r.n++
			rs.from = c
			out := told{Type: msg.Type, Room: msg.Room, Data: msg.Data}
			if rs.history {
				out.Prev, out.Pos = r.seq, &place{Seq: r.seq + 3}
				r.seq += 3
			}
			for _, to := range r.members {
				if rs.wrong == nil || !rs.wrong(to, r.n, out) {
					send(to, out)
				}
			}
		}
		rs.mu.Unlock()
	}
	return nil
}

func send(c *ws.Conn, m any) {
	b, err := json.MarshalIndent(m, "", " ") // any JSON will do
	if err != nil {
		panic(err)
	}
	c.Write(context.Background(), ws.Text, b)
}

func TestLive(t *testing.T) {
	for name, p := range map[string]load.Plan{
		"one":        {},
		"room":       {Connections: 20, Depth: 4},
		"rooms":      {Connections: 21, Rooms: 4, RoomPrefix: "some:"},
		"publishers": {Connections: 12, Rooms: 2, Publishers: 3, Depth: 2},
		"rate":       {Connections: 12, Rooms: 3, Rate: 500},
		"sizes":      {Connections: 4, Sizes: load.Sizes{{16, 1}, {125, 1}, {70_000, 1}}},
	} {
		for _, history := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, history %v", name, history), func(t *testing.T) {
				rs := &rooms{history: history}
				p.URL, p.Scenario = serve(t, rs.serve), load.Live
				r := run(t, p)
				clean(t, r)
				each := int64(max(1, p.Connections) / max(1, p.Rooms)) // members of the smallest room
				if r.Joins.Count != r.Opened || r.Sent == 0 || r.Received < each*(r.Sent-100) || r.Latency.Count != r.Received {
					t.Errorf("%d joins, %d published, %d received: %+v", r.Joins.Count, r.Sent, r.Received, r.Latency)
				}
				if n := len(rs.all); n != max(1, p.Rooms) || p.RoomPrefix != "" && rs.all["some:4"] == nil {
					t.Errorf("%d rooms", n)
				}
				if (r.Lag.Count > 0) != (p.Rate > 0) {
					t.Errorf("lag: %+v", r.Lag)
				}
			})
		}
	}
}

// What a server does wrong with a message is found at the member that it did it to.
func TestLiveFindsFaults(t *testing.T) {
	for want, f := range map[string]func(*ws.Conn, told){
		"delivered twice": func(c *ws.Conn, m told) {
			send(c, m)
			m.Prev, m.Pos = m.Pos.Seq, &place{Seq: m.Pos.Seq + 1}
			send(c, m)
		},
		"was not delivered": func(*ws.Conn, told) {},
		"came back changed": func(c *ws.Conn, m told) {
			m.Data = append(append(json.RawMessage{}, m.Data[:len(m.Data)-2]...), `~"`...)
			send(c, m)
		},
		"behind one with a greater":  func(c *ws.Conn, m told) { m.Pos = &place{Seq: m.Pos.Seq - 3}; send(c, m) },
		"prev is not the position":   func(c *ws.Conn, m told) { m.Prev++; send(c, m) },
		"no message of the protocol": func(c *ws.Conn, m told) { send(c, []int{1}) },
		"the server sent $gap: \"slow\"": func(c *ws.Conn, m told) {
			send(c, told{Type: "$gap", Room: m.Room, Data: json.RawMessage(`{"reason":"slow"}`)})
		},
		"with the error \"busy\"":         func(c *ws.Conn, m told) { send(c, told{Type: "$error", Data: json.RawMessage(`{"code":"busy"}`)}) },
		"nobody asked for":                func(c *ws.Conn, m told) { m.Room += "0"; send(c, m) },
		"sent opcode 2":                   func(c *ws.Conn, m told) { c.Write(context.Background(), ws.Binary, []byte("{}")) },
		"larger than what was published":  func(c *ws.Conn, m told) { m.Room = strings.Repeat("x", 10_000); send(c, m) },
		"closed the connection with 1013": func(c *ws.Conn, m told) { c.Close(ws.StatusTryAgainLater, "") },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			rs := &rooms{history: true}
			rs.wrong = func(c *ws.Conn, n int, m told) bool {
				if n != 5 || c == rs.from { // the publisher goes on
					return false
				}
				f(c, m)
				return true
			}
			r := run(t, load.Plan{URL: serve(t, rs.serve), Scenario: load.Live, Connections: 3, Depth: 4, Duration: 500 * time.Millisecond})
			n := int64(0)
			for why, k := range r.Errors {
				if strings.Contains(why, want) {
					n += k
				}
			}
			if n != 2 || len(r.Errors) != 1 || r.Received < 10 {
				t.Errorf("%d received, %d lost, errors %v", r.Received, r.Lost, r.Errors)
			}
		})
	}
}

// A room that cannot be joined is told, and the others go on.
func TestLiveRefused(t *testing.T) {
	rs := &rooms{}
	url := serve(t, func(ctx context.Context, c *ws.Conn) error {
		_, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if strings.Contains(string(p), "room:2") {
			send(c, told{Type: "$error", Re: 1, Data: json.RawMessage(`{"code":"no-room"}`)})
			for range c.Messages(ctx) {
			}
			return nil
		}
		var msg told
		json.Unmarshal(p, &msg)
		rs.mu.Lock()
		if rs.all == nil {
			rs.all = map[string]*chamber{msg.Room: {}}
		}
		r := rs.all[msg.Room]
		r.members = append(r.members, c)
		send(c, told{Type: "$ok", Re: 1, Room: msg.Room})
		send(c, told{Type: "$live", Room: msg.Room})
		rs.mu.Unlock()
		return rs.serve(ctx, c)
	})
	r := run(t, load.Plan{URL: url, Scenario: load.Live, Connections: 5, Rooms: 2, Duration: 2 * time.Second})
	if r.Errors[`the server answered with the error "no-room"`] != 2 || len(r.Errors) != 1 || r.Received == 0 || r.Lost != 0 {
		t.Errorf("%d received, errors %v", r.Received, r.Errors)
	}
	mute := serve(t, func(ctx context.Context, c *ws.Conn) error {
		for range c.Messages(ctx) {
		}
		return nil
	})
	r = run(t, load.Plan{URL: mute, Scenario: load.Live, Connections: 2, Timeout: 300 * time.Millisecond})
	if r.Errors["a room was not joined within the time-out"] != 2 || r.Received != 0 {
		t.Errorf("a mute server: errors %v", r.Errors)
	}
}

// Members that do not read are not waited for, and are no error when the server closes them.
func TestLiveStalled(t *testing.T) {
	rs := &rooms{}
	rs.wrong = func(c *ws.Conn, n int, m told) bool {
		if n == 20 && c != rs.from {
			c.CloseNow()
		}
		return false
	}
	r := run(t, load.Plan{URL: serve(t, rs.serve), Scenario: load.Live, Connections: 4, Stalled: 3})
	clean(t, r)
	if r.Received > r.Sent || r.Received < 30 || r.Stalled != 3 {
		t.Errorf("%d published, %d received", r.Sent, r.Received)
	}
}

// One leaves; the others go on, unless it was the only publisher.
func TestLiveLosesOne(t *testing.T) {
	for _, publisher := range []bool{false, true} {
		rs := &rooms{}
		rs.wrong = func(c *ws.Conn, n int, m told) bool {
			if n == 20 && (c == rs.from) == publisher {
				c.CloseNow()
			}
			return false
		}
		r := run(t, load.Plan{URL: serve(t, rs.serve), Scenario: load.Live, Connections: 3, Duration: 500 * time.Millisecond})
		n := int64(0)
		for _, k := range r.Errors {
			n += k
		}
		if ended := r.Seconds < 0.45; n == 0 || n > 2 || r.Received < 30 || ended != publisher || !publisher && r.Lost > 0 {
			t.Errorf("%d received in %.2f s, %d lost, %v", r.Received, r.Seconds, r.Lost, r.Errors)
		}
	}
}
