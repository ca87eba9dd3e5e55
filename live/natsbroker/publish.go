package natsbroker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// flight is a message on its way into a stream.
type flight struct {
	subject string
	id      string // by which it is known again
	body    []byte
	room    string
	mid     string
	fence   bool
	done    func(live.Stored, error)

	until time.Time
	tries int
	reply string
	over  atomic.Bool
}

// outgoing is what a stream is sent: a few at a time, as one that is sent more than it can take answers late, and drops.
type outgoing struct {
	stream *stream

	mu     sync.Mutex // guards what follows
	flying map[*flight]struct{}
	waits  []*flight
}

const (
	maxFlying = 64
	maxWaits  = 1 << 16
)

// Publish stores p in its stream, or sends it to who listens.
func (b *Broker) Publish(p *live.Publish, done func(live.Stored, error)) {
	if err := b.publish(p, done); err != nil {
		done(live.Stored{}, err)
	}
}

// publish reports an error, or has done called.
func (b *Broker) publish(p *live.Publish, done func(live.Stored, error)) error {
	m, keep := p.Message, p.Room.Retention
	body, err := encode(m)
	if err != nil {
		return err
	}
	if limit := b.nc.MaxPayload(); limit > 0 && int64(len(body)) > limit-1024 { // headers count too
		return protocol.Errorf(protocol.CodeTooLarge, "the message has %d bytes; NATS takes %d (max_payload)", len(body), limit)
	}
	if b.isClosed() {
		return live.ErrUnavailable
	}
	if m.Volatile || keep.History == 0 && !keep.Keys {
		if err := b.pass(p.Room.Name, m, body); err != nil {
			return err
		}
		done(live.Stored{}, nil)
		return nil
	}
	g := b.group(keep)
	if g == nil {
		return fmt.Errorf("natsbroker: the pattern %s was not configured", keep.Pattern)
	}
	s := g.of(p.Room.Name)
	if s.health.down.Load() || s.epochNow() == "" {
		return live.ErrUnavailable
	}
	f := &flight{subject: s.subject(p.Room.Name, m.Key), body: body, room: p.Room.Name, mid: m.Mid, done: done}
	if p.DedupeKey != "" {
		sum := sha256.Sum256([]byte(p.DedupeKey))
		f.id = base64.RawURLEncoding.EncodeToString(sum[:18])
	}
	s.send(f)
	return nil
}

// pass sends what is not stored. Where there is no connection it goes on on this node.
func (b *Broker) pass(room string, m *live.Message, body []byte) error {
	if !b.nc.IsConnected() {
		if b.isClosed() {
			return live.ErrUnavailable
		}
		own := *m
		b.subs.deliver(room, &own)
		return nil
	}
	if err := b.nc.Publish(b.set.Name+".r."+subject(room), body); err != nil {
		return unavailable(err)
	}
	return nil
}

// send has a message stored, behind those that wait.
func (s *stream) send(f *flight) {
	f.until = time.Now().Add(s.broker.set.AckTimeout)
	o := &s.out
	o.mu.Lock()
	switch {
	case s.broker.isClosed():
		o.mu.Unlock()
		go f.done(live.Stored{}, live.ErrUnavailable) // who asks for a fence holds its lock
		return
	case f.fence || len(o.flying) < maxFlying:
		o.fly(f)
	case len(o.waits) >= maxWaits:
		o.mu.Unlock()
		e := protocol.Errorf(protocol.CodeBusy, "too many messages wait for the stream")
		e.RetryAfter = 500
		f.done(live.Stored{}, e)
		return
	default:
		o.waits = append(o.waits, f)
	}
	o.mu.Unlock()
}

// fly counts a message as under way, and sends it. Called with the lock held.
func (o *outgoing) fly(f *flight) {
	if o.flying == nil {
		o.flying = map[*flight]struct{}{}
	}
	o.flying[f] = struct{}{}
	o.transmit(f)
}

func (o *outgoing) transmit(f *flight) {
	b := o.stream.broker
	f.reply = b.acks.expect(func(m *nats.Msg) bool {
		o.acked(f, m)
		return false
	})
	m := &nats.Msg{Subject: f.subject, Reply: f.reply, Data: f.body}
	if f.id != "" {
		m.Header = nats.Header{headerID: {f.id}}
	}
	if err := b.nc.PublishMsg(m); err != nil {
		b.acks.forget(f.reply)
		go o.land(f, live.Stored{}, unavailable(err)) // the lock is held
	}
}

// ack is what a stream answers.
type ack struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Error     *struct {
		Code        int    `json:"code"`
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

const errInProcess = 10158 // the same id is just being stored

var errNoAck = errors.New("natsbroker: what is no acknowledgement")

// acked takes the answer.
func (o *outgoing) acked(f *flight, m *nats.Msg) {
	s := o.stream
	var a ack
	switch {
	case len(m.Data) == 0: // 503: nobody has the stream, or it has no leader
		if f.tries < 10 && time.Until(f.until) > time.Second {
			o.again(f)
			return
		}
		o.land(f, live.Stored{}, unavailable(nats.ErrNoResponders))
	case json.Unmarshal(m.Data, &a) != nil || a.Error == nil && a.Seq == 0:
		o.land(f, live.Stored{}, unavailable(errNoAck))
	case a.Error == nil:
		st := live.Stored{Duplicate: a.Duplicate}
		if f.fence || !s.keep.Keys {
			st.Pos = live.Position{Epoch: s.epochNow(), Seq: a.Seq, Mid: f.mid}
		}
		if !f.fence && !s.keep.Keys { // a repetition too: whoever stored it may not have heard of that
			s.broker.heads.note(s, f.room, a.Seq)
		}
		s.health.well(s)
		o.land(f, st, nil)
	case a.Error.ErrCode == errInProcess:
		o.again(f) // until its time is over: it may be stored or not
	case a.Error.Code == 429:
		e := protocol.Errorf(protocol.CodeBusy, "the stream takes no more just now")
		e.RetryAfter = 500
		o.land(f, live.Stored{}, e)
	case a.Error.Code >= 500:
		o.land(f, live.Stored{}, unavailable(errors.New(a.Error.Description)))
	default:
		o.land(f, live.Stored{}, fmt.Errorf("natsbroker: %s: %s (%d)", s.name, a.Error.Description, a.Error.ErrCode))
	}
}

// again sends a message again in a moment.
func (o *outgoing) again(f *flight) {
	f.tries++
	time.AfterFunc(min(time.Duration(f.tries)*20*time.Millisecond, 200*time.Millisecond), func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if _, ok := o.flying[f]; ok {
			o.transmit(f)
		}
	})
}

// land says what became of a message, once, and sends the next.
func (o *outgoing) land(f *flight, st live.Stored, err error) {
	if f.over.Swap(true) {
		return
	}
	o.mu.Lock()
	delete(o.flying, f)
	for len(o.waits) > 0 && len(o.flying) < maxFlying {
		next := o.waits[0]
		o.waits[0] = nil
		if o.waits = o.waits[1:]; !next.over.Load() {
			o.fly(next)
		}
	}
	o.mu.Unlock()
	if isUnavailable(err) {
		if f.reply != "" && !f.fence && !o.stream.keep.Keys {
			o.stream.broker.heads.unsure(f.room)
		}
		o.stream.health.ill(o.stream, err)
	}
	f.done(st, err)
}

// expire fails what has waited for too long; all of it, if all is set.
func (o *outgoing) expire(now time.Time, all bool) {
	o.mu.Lock()
	var late []*flight
	for f := range o.flying {
		if all || now.After(f.until) {
			late = append(late, f)
			o.stream.broker.acks.forget(f.reply)
		}
	}
	for len(o.waits) > 0 && (all || now.After(o.waits[0].until)) {
		late = append(late, o.waits[0])
		o.waits[0] = nil
		o.waits = o.waits[1:]
	}
	o.mu.Unlock()
	for _, f := range late {
		o.land(f, live.Stored{}, unavailable(nats.ErrTimeout))
	}
}
