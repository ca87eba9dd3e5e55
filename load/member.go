package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
)

// member is a connection's part in a room. All but stalled is guarded by the peer's mu, and
// counts by the room's as well.
type member struct {
	room      *room
	number    int         // of the connection
	stalled   atomic.Bool // it does not read any more
	resume    chan struct{}
	publisher *publisher // that it is, or nil

	answered bool // the join was
	in       bool
	joined   chan struct{} // closed then
	counts   bool          // it is one of those that get what is published
	next     []int64       // the number that is expected of each of the room's publishers
	free     []freed       // messages that everybody has now
	part     []byte        // of a message that comes in several parts
	count    int           // messages that were read

	// The position of the last message, where the room has a history; exact if it is of one
	// that came, and not of the room's beginning.
	last  uint64
	exact bool
}

// liveType is the type of the messages that are published.
const liveType = "bench"

// maxPublishers is how many their numbers tell apart.
const maxPublishers = 1 << 24

// numbersSize is how much of a message's data says whose it is and which.
const numbersSize = 16

// numbers is a publisher's number and that of its message, as the data begins.
func numbers(publisher int, number int64) []byte {
	const digits = "0123456789abcdef"
	var b [numbersSize]byte
	for i := 5; i >= 0; i-- {
		b[i] = digits[publisher&15]
		publisher >>= 4
	}
	b[6] = '.'
	for i := numbersSize - 1; i > 6; i-- {
		b[i] = digits[number&15]
		number >>= 4
	}
	return b[:]
}

// envelope is a message of the protocol. Its fields may come in any order.
type envelope struct {
	Type string `json:"type"`
	Re   uint64 `json:"re"`
	Room string `json:"room"`
	Prev uint64 `json:"prev"`
	Pos  *struct {
		Seq uint64 `json:"seq"`
		Mid string `json:"mid"`
	} `json:"pos"`
	Data json.RawMessage `json:"data"`
}

// read is a message as it came, and what it says. A room's members get the same bytes, so that
// one of them has it read and the others compare.
type read struct {
	text      []byte
	says      envelope
	publisher *publisher
	number    int64
	data      string
	checked   atomic.Bool // the data is what was published
}

// maxExtra is what a message may have beside its data.
const maxExtra = 4 << 10

var (
	errEnvelope = errors.New("the server sent what is no message of the protocol")
	errUnasked  = errors.New("the server sent a message that nobody asked for")
	errTwice    = errors.New("a message was delivered twice, or behind a later one of its publisher")
	errMissing  = errors.New("a message was not delivered, and a later one of its publisher was")
	errOrder    = errors.New("a message was delivered behind one with a greater position")
	errLarge    = errors.New("the server sent a message that is larger than what was published")
	errHole     = errors.New("a message's prev is not the position of the message before it")
)

// take takes a part of a message. Called with the peer's mu held.
func (m *member) take(p *peer, f *frame, part []byte, now int64) error {
	if f.begins && f.op != 1 {
		return fmt.Errorf("the server sent opcode %d, expected 1", f.op)
	}
	most := p.run.live.most
	whole := f.done && f.fin
	if !whole || len(m.part) > 0 {
		if m.part = append(m.part, part...); len(m.part) > most {
			return errLarge
		}
		part = m.part
	}
	if !whole {
		return nil
	}
	if len(part) > most {
		return errLarge
	}
	err := m.message(p, part, now)
	if m.part = m.part[:0]; cap(m.part) > 64<<10 {
		m.part = nil
	}
	return err
}

// message takes a whole message.
func (m *member) message(p *peer, text []byte, now int64) error {
	place := &m.room.read[m.count%recentlyRead]
	m.count++
	one := place.Load()
	if one == nil || !bytes.Equal(one.text, text) {
		one = &read{text: bytes.Clone(text)}
		if err := one.parse(p.run.live); err != nil {
			return err
		}
		place.Store(one)
	}
	says := &one.says
	if says.Type == liveType && m.in {
		return m.delivery(p, one, now)
	}
	switch says.Type {
	case "$ok":
		if m.answered || says.Re != 1 || says.Room != m.room.name {
			return errUnasked
		}
		m.answered = true
		m.stands(says)
	case "$live":
		if !m.answered || says.Room != m.room.name {
			return errUnasked
		}
		if says.Pos != nil && m.exact && says.Pos.Seq < m.last {
			return errOrder
		}
		m.stands(says)
		if !m.in {
			m.in = true
			close(m.joined)
		}
	case "$error":
		var why struct{ Code string }
		json.Unmarshal(says.Data, &why)
		return fmt.Errorf("the server answered with the error %q", why.Code)
	case "$gap", "$left":
		var why struct{ Reason string }
		json.Unmarshal(says.Data, &why)
		return fmt.Errorf("the server sent %s: %q", says.Type, why.Reason)
	case liveType: // of before the join
	default:
		if says.Type[0] != '$' {
			return errUnasked
		}
	}
	return nil
}

// parse reads the text.
func (one *read) parse(l *live) error {
	says := &one.says
	if json.Unmarshal(one.text, says) != nil || says.Type == "" {
		return errEnvelope
	}
	if says.Type != liveType {
		return nil
	}
	if json.Unmarshal(says.Data, &one.data) != nil || len(one.data) < numbersSize {
		return errChanged
	}
	publisher, err1 := strconv.ParseUint(one.data[:6], 16, 32)
	number, err2 := strconv.ParseUint(one.data[7:numbersSize], 16, 63)
	if err1 != nil || err2 != nil || one.data[:numbersSize] != string(numbers(int(publisher), int64(number))) {
		return errChanged
	}
	if one.number = int64(number); l.ready.Load() && publisher < uint64(len(l.publishers)) {
		one.publisher = l.publishers[publisher]
	}
	return nil
}

// stands notes the position that the server says a member is at.
func (m *member) stands(says *envelope) {
	if says.Pos != nil {
		m.last, m.exact = says.Pos.Seq, says.Pos.Mid != ""
	}
}

// delivery checks a message that was published, and counts it.
func (m *member) delivery(p *peer, one *read, now int64) error {
	pub, says := one.publisher, &one.says
	if pub == nil || pub.room != m.room || says.Room != m.room.name || one.number >= pub.total.Load() {
		return errUnasked
	}
	switch next := m.next[pub.slot]; {
	case one.number < next:
		return errTwice
	case one.number > next:
		return errMissing
	}
	e := &pub.ring[one.number%int64(len(pub.ring))]
	if !one.checked.Load() {
		if len(one.data) != len(e.message.payload) || one.data[numbersSize:] != string(e.message.payload[numbersSize:]) {
			return errChanged
		}
		one.checked.Store(true)
	}
	if says.Pos != nil {
		switch {
		case says.Pos.Seq <= m.last:
			return errOrder
		case says.Prev > m.last, says.Prev > 0 && says.Prev < m.last && m.exact:
			return errHole
		}
		m.last, m.exact = says.Pos.Seq, true
	}
	p.shard.record(p.run, now, e.due, e.sent, Volume{})
	m.next[pub.slot]++
	if pub.delivered(one.number) > 0 && p.run.plan.Rate == 0 {
		m.release(pub)
	}
	return nil
}

// release notes that everybody has a message of a publisher.
func (m *member) release(pub *publisher) {
	for i := range m.free {
		if m.free[i].from == pub {
			m.free[i].n++
			return
		}
	}
	m.free = append(m.free, freed{pub, 1})
}

// oldest is what the member has waited for longest.
func (m *member) oldest() (first sent, waits bool) {
	if !m.counts {
		return sent{}, false
	}
	for i, pub := range m.room.publishers {
		if n := m.next[i]; n < pub.total.Load() {
			e := &pub.ring[n%int64(len(pub.ring))]
			if !waits || e.sent < first.sent {
				first, waits = sent{message: e.message, n: stamp(n), due: e.due, sent: e.sent}, true
			}
		}
	}
	return first, waits
}

// pending is how many messages the member lacks.
func (m *member) pending() (n int64) {
	if !m.counts {
		return 0
	}
	for i, pub := range m.room.publishers {
		n += pub.total.Load() - m.next[i]
	}
	return n
}

// quoted is a string of JSON.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // no string comes here
	}
	return string(b)
}
