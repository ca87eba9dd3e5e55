package live

import (
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// MemoryOptions configures a Memory. The zero value of each field is its default.
type MemoryOptions struct {
	// MaxBytes bounds what is stored of all rooms together; past it the oldest
	// message of all is evicted. 0 means 256 MiB.
	MaxBytes int64

	// Dedupe is for how long a repeated message is known again. 0 means 2 minutes.
	Dedupe time.Duration

	// MaxDedupe is how many messages may be known again at once; past it publishing
	// is refused as "busy", as forgetting one earlier could store it twice. 0 means
	// 4 million, of 40 bytes each.
	MaxDedupe int
}

// Memory is a Broker in the memory of the process. Hubs that share one are nodes of
// a cluster within the process. What it stores is gone with it; the epoch says so to
// who comes back.
type Memory struct {
	set   MemoryOptions
	epoch string

	mu        sync.RWMutex // guards what follows; held while delivering
	seq       uint64
	rooms     map[string]*record
	stored    list.List // of *stored, oldest first
	bytes     int64
	known     dedupe
	graves    map[string]uint64 // of rooms without a record: their last Seq, which is evicted
	order     list.List         // of graves, by name, oldest first
	forgotten uint64            // the greatest Seq of a grave that is no more
	wilds     []*memorySub
	listeners map[string][]*listener
	sweep     *time.Timer
	closed    bool
}

// record is what Memory has of a room.
type record struct {
	room   Room
	last   uint64    // the Seq of the last message ever; 0: unknown
	floor  uint64    // the greatest Seq evicted
	msgs   []*stored // by Seq
	latest latest[*stored]
	subs   []*memorySub

	passing sync.Mutex // held, with mu for reading, while delivering what is not stored
}

// stored is a message in a record.
type stored struct {
	msg  *Message
	at   time.Time
	size int64
	rec  *record
	elem *list.Element
}

type memorySub struct {
	room string
	sink Sink
}

type listener struct{ f func([]byte) }

const (
	maxGraves   = 1 << 16
	sweepEvery  = 5 * time.Second
	storedExtra = 200 // bytes that a stored message costs beside its own
)

// NewMemory returns an empty Memory. nil options mean the defaults.
func NewMemory(o *MemoryOptions) *Memory {
	b := &Memory{
		epoch: rand.Text()[:10],
		rooms: map[string]*record{}, graves: map[string]uint64{}, listeners: map[string][]*listener{},
	}
	if o != nil {
		b.set = *o
	}
	b.set.MaxBytes = cmp.Or(b.set.MaxBytes, 256<<20)
	b.set.Dedupe = cmp.Or(b.set.Dedupe, 2*time.Minute)
	b.set.MaxDedupe = cmp.Or(b.set.MaxDedupe, 4<<20)
	b.known = newDedupe(b.set.Dedupe, b.set.MaxDedupe)
	return b
}

// Configure accepts everything.
func (b *Memory) Configure(*Retention) error { return nil }

// Dedupe returns MemoryOptions.Dedupe.
func (b *Memory) Dedupe() time.Duration { return b.set.Dedupe }

// Close forgets everything. Later calls fail with ErrUnavailable.
func (b *Memory) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.sweep != nil {
		b.sweep.Stop()
	}
	b.rooms, b.listeners, b.wilds = map[string]*record{}, map[string][]*listener{}, nil
	b.stored.Init()
	b.bytes = 0
	return nil
}

// Publish stores and delivers p before it returns.
func (b *Memory) Publish(p *Publish, done func(Stored, error)) {
	done(b.publish(p))
}

func (b *Memory) publish(p *Publish) (Stored, error) {
	m := *p.Message
	keep := p.Room.Retention
	if m.Volatile || keep.History == 0 && !keep.Keys {
		return Stored{}, b.pass(p.Room.Name, &m)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return Stored{}, ErrUnavailable
	}
	now := time.Now()
	var key dedupeKey
	if p.DedupeKey != "" {
		key = b.known.key(p.DedupeKey)
		if seq, ok := b.known.find(key, now); ok {
			return Stored{b.position(keep, seq, m.Mid), true}, nil
		}
		if b.known.full() {
			e := protocol.Errorf(protocol.CodeBusy, "too many messages to know again (MemoryOptions.MaxDedupe)")
			e.RetryAfter = b.set.Dedupe.Milliseconds() / 4
			return Stored{}, e
		}
	}
	b.seq++
	if p.DedupeKey != "" {
		b.known.note(key, b.seq)
	}
	r := b.record(p.Room)
	m.Pos, m.Prev = Position{Epoch: b.epoch, Seq: b.seq, Mid: m.Mid}, r.last
	r.last = b.seq
	b.store(r, &m, now)
	b.deliver(r, &m)
	return Stored{Pos: b.position(keep, b.seq, m.Mid)}, nil
}

// pass delivers a message that is not stored. Rooms do not wait for each other then, unless
// somebody watches more than one.
func (b *Memory) pass(room string, m *Message) error {
	if done, err := b.passAlone(room, m); done {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrUnavailable
	}
	b.deliver(b.rooms[room], m)
	return nil
}

// passAlone does so if nobody watches a wildcard.
func (b *Memory) passAlone(room string, m *Message) (done bool, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	switch r := b.rooms[room]; {
	case b.closed:
		return true, ErrUnavailable
	case len(b.wilds) > 0:
		return false, nil
	case r != nil:
		r.passing.Lock()
		defer r.passing.Unlock()
		b.deliver(r, m)
	}
	return true, nil
}

// position is what a publisher is told: rooms without a history have none.
func (b *Memory) position(keep *Retention, seq uint64, mid string) Position {
	if keep.Keys {
		return Position{}
	}
	return Position{Epoch: b.epoch, Seq: seq, Mid: mid}
}

// store puts a message at the end of a room, and evicts what there is no room for.
func (b *Memory) store(r *record, m *Message, now time.Time) {
	s := &stored{msg: m, at: now, rec: r, size: int64(len(m.Data)+len(m.Mid)+len(m.Key)+len(m.From)) + storedExtra}
	s.elem = b.stored.PushBack(s)
	b.bytes += s.size
	if r.room.Retention.Keys {
		if was, ok := r.latest.put(m.Key, s); ok {
			b.drop(was)
		}
	} else {
		r.msgs = append(r.msgs, s)
	}
	b.expire(r, now)
	for b.bytes > b.set.MaxBytes {
		old := b.stored.Front().Value.(*stored)
		b.evict(old)
		b.release(old.rec)
	}
	if b.sweep == nil {
		b.sweep = time.AfterFunc(sweepEvery, b.expireAll)
	}
}

// expire evicts what a room may not keep.
func (b *Memory) expire(r *record, now time.Time) {
	keep := r.room.Retention
	old := func(s *stored) bool { return keep.Age > 0 && now.Sub(s.at) >= keep.Age }
	for len(r.msgs) > 0 && (len(r.msgs) > keep.History || old(r.msgs[0])) {
		b.evict(r.msgs[0])
	}
	for r.latest.len() > 0 {
		_, s := r.latest.oldest()
		if r.latest.len() <= keep.MaxKeys && !old(s) {
			break
		}
		b.evict(s)
	}
}

// evict removes a message, which is the oldest of its room's history, or a value.
func (b *Memory) evict(s *stored) {
	r := s.rec
	if r.room.Retention.Keys {
		r.latest.remove(s.msg.Key)
	} else {
		r.msgs[0] = nil
		r.msgs = r.msgs[1:]
		r.floor = s.msg.Pos.Seq
	}
	b.drop(s)
}

// drop takes a message out of the books.
func (b *Memory) drop(s *stored) {
	b.stored.Remove(s.elem)
	b.bytes -= s.size
}

// expireAll evicts what has become too old in rooms that nobody uses.
func (b *Memory) expireAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	now := time.Now()
	for _, r := range b.rooms {
		b.expire(r, now)
		b.release(r)
	}
	if b.stored.Len() > 0 {
		b.sweep.Reset(sweepEvery)
	} else {
		b.sweep = nil
	}
}

// record returns a room's record, made if need be.
func (b *Memory) record(room Room) *record {
	r := b.rooms[room.Name]
	if r == nil {
		r = &record{room: room, floor: b.floorOf(room.Name), last: b.graves[room.Name]}
		b.rooms[room.Name] = r
	}
	return r
}

// floorOf returns what may have been evicted of a room that has no record.
func (b *Memory) floorOf(name string) uint64 {
	if last, ok := b.graves[name]; ok {
		return last
	}
	return b.forgotten
}

// release forgets a room that nothing needs, but for what was evicted of it.
func (b *Memory) release(r *record) {
	name := r.room.Name
	if len(r.msgs)+r.latest.len()+len(r.subs) > 0 || b.rooms[name] != r {
		return
	}
	delete(b.rooms, name)
	if r.last == 0 || r.room.Retention.Keys {
		return
	}
	if _, ok := b.graves[name]; !ok {
		b.order.PushBack(name)
	}
	b.graves[name] = r.last
	for b.order.Len() > maxGraves {
		oldest := b.order.Remove(b.order.Front()).(string)
		b.forgotten = max(b.forgotten, b.graves[oldest])
		delete(b.graves, oldest)
	}
}

// deliver brings a message to who has subscribed. r is nil where nobody has.
func (b *Memory) deliver(r *record, m *Message) {
	if r != nil {
		for _, s := range r.subs {
			s.sink.Deliver(m)
		}
	}
	for _, s := range b.wilds {
		if protocol.Matches(s.room, m.Room) {
			s.sink.Deliver(m)
		}
	}
}

// Subscribe never fails but on a closed Memory.
func (b *Memory) Subscribe(room Room, sink Sink) (cancel func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrUnavailable
	}
	s := &memorySub{room.Name, sink}
	if protocol.IsWildcard(room.Name) {
		b.wilds = append(b.wilds, s)
		return func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.wilds = without(b.wilds, s)
		}, nil
	}
	r := b.record(room)
	r.subs = append(r.subs, s)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		r.subs = without(r.subs, s)
		b.release(r)
	}, nil
}

func without[T comparable](all []T, one T) []T {
	if i := slices.Index(all, one); i >= 0 {
		return slices.Delete(all, i, i+1)
	}
	return all
}

// History reads what is stored.
func (b *Memory) History(_ context.Context, room Room, q Query) (Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return Page{}, ErrUnavailable
	}
	page := Page{Head: Position{Epoch: b.epoch, Seq: b.seq}}
	r := b.rooms[room.Name]
	if r == nil {
		page.Floor = b.floorOf(room.Name)
		return page, nil
	}
	b.expire(r, time.Now())
	page.Floor = r.floor
	if n := len(r.msgs); n > 0 {
		page.Head = r.msgs[n-1].msg.Pos
	}
	from, to := 0, len(r.msgs)
	if q.Backward {
		if q.Before > 0 {
			to = r.index(q.Before)
		}
		if to > q.Limit {
			from, page.More = to-q.Limit, true
		}
	} else {
		from = r.index(q.From)
		if to-from > q.Limit {
			to, page.More = from+q.Limit, true
		}
	}
	if q.Limit > 0 {
		page.Messages = make([]*Message, 0, to-from)
		for _, s := range r.msgs[from:to] {
			page.Messages = append(page.Messages, s.msg)
		}
	}
	return page, nil
}

// index returns the index of the first message at or above seq.
func (r *record) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(r.msgs, seq, func(s *stored, seq uint64) int { return cmp.Compare(s.msg.Pos.Seq, seq) })
	return i
}

// Latest returns the values of a room.
func (b *Memory) Latest(_ context.Context, room Room) ([]*Message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrUnavailable
	}
	r := b.rooms[room.Name]
	if r == nil {
		return nil, nil
	}
	b.expire(r, time.Now())
	var all []*Message
	for s := range r.latest.newest() {
		all = append(all, s.msg)
	}
	slices.Reverse(all)
	return all, nil
}

// Signal calls who listens before it returns.
func (b *Memory) Signal(topic string, p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrUnavailable
	}
	for _, l := range b.listeners[topic] {
		l.f(p)
	}
	return nil
}

// Listen never fails but on a closed Memory.
func (b *Memory) Listen(topic string, f func(p []byte)) (cancel func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrUnavailable
	}
	l := &listener{f}
	b.listeners[topic] = append(b.listeners[topic], l)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if rest := without(b.listeners[topic], l); len(rest) > 0 {
			b.listeners[topic] = rest
		} else {
			delete(b.listeners, topic)
		}
	}, nil
}

// Watch never calls f: memory is always there.
func (b *Memory) Watch(func(available bool)) (cancel func()) { return func() {} }

// String tells how much is stored.
func (b *Memory) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("live.Memory: %d messages, %d bytes, %d rooms", b.stored.Len(), b.bytes, len(b.rooms))
}
