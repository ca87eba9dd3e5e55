package live

import (
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// event is a message as the members of a room get it: encoded once for each codec,
// when the first needs it.
type event struct {
	m      *Message // nil for a notice
	serial uint64   // its number in the room, on this node
	before Position // where a member stands that got everything but this
	bare   bool     // without positions
	at     time.Time

	mu   sync.Mutex
	made [2]*ws.Prepared
}

// stored reports whether the event has a position.
func (e *event) stored() bool { return !e.bare && e.m != nil && e.m.Pos.Seq > 0 }

// size is what an event is said to take in memory.
func (e *event) size() int64 { return 2*int64(len(e.m.Data)) + 400 }

// prepared returns the event encoded by c.
func (e *event) prepared(c protocol.Codec) *ws.Prepared {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.made[c] == nil {
		m := *e.m
		m.Pos.Epoch, m.Pos.Mid = "", ""
		if e.bare {
			m.Pos, m.Prev = Position{}, 0
		}
		b := encodings.Get().(*[]byte)
		p, err := c.Append((*b)[:0], &m)
		if err != nil { // Parse and Marshal let nothing pass that one codec cannot say
			p, _ = c.Append((*b)[:0], &Message{Type: m.Type, Room: m.Room, Pos: m.Pos, Prev: m.Prev, Mid: m.Mid, Key: m.Key, From: m.From})
		}
		e.made[c] = e.prepare(c, p)
		if *b = p; cap(p) <= maxEncoding {
			encodings.Put(b)
		}
	}
	return e.made[c]
}

// send sends the event to groups by codec, and returns how many members they have.
func (e *event) send(groups *[2]ws.Group, h *Hub) (members int) {
	for c := range groups {
		if n := groups[c].Len(); n > 0 {
			p := e.prepared(protocol.Codec(c))
			members += n
			groups[c].Send(p)
			h.traffic.out.add(n, p.Len())
		}
	}
	return members
}

// encodings are buffers in which messages are encoded: ws.Prepare copies.
var encodings = sync.Pool{New: func() any { return new([]byte) }}

const maxEncoding = 16 << 10 // bytes that one keeps

func (e *event) prepare(c protocol.Codec, p []byte) *ws.Prepared {
	prep := ws.Prepare(typeOf(c), p)
	prep.Value = e
	return prep
}

// notice returns a message of the protocol as an event.
func notice(m *Message, data any, before Position) *event {
	e := &event{before: before}
	for _, c := range []protocol.Codec{protocol.JSON, protocol.CBOR} {
		one := *m
		raw, err := c.Marshal(data)
		if err != nil {
			panic(err) // a payload of ours
		}
		one.Data, one.Codec = raw, c
		p, err := c.Append(nil, &one)
		if err != nil {
			panic(err)
		}
		e.made[c] = e.prepare(c, p)
	}
	return e
}
