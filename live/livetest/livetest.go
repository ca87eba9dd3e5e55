// Package livetest has the tests that every live.Broker must pass: it says in code
// what the interface says in words.
package livetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// Options tells what a broker cannot do as fast or as exactly as the one in memory.
type Options struct {
	// Patience is how long a test waits for something to happen. 0 means 10 s.
	Patience time.Duration
}

// TestBroker runs all tests, each with a broker of its own from open, which need not
// be configured. The broker is closed by the tests.
func TestBroker(t *testing.T, open func(t *testing.T) live.Broker, o *Options) {
	patience := 10 * time.Second
	if o != nil && o.Patience > 0 {
		patience = o.Patience
	}
	for _, tc := range []struct {
		name string
		f    func(k *kit)
	}{
		{"positions increase, and Prev names the one before", (*kit).positions},
		{"a repeated message is stored once", (*kit).dedupe},
		{"the same id elsewhere is another message", (*kit).dedupeIsNarrow},
		{"history is read in both directions", (*kit).pages},
		{"what is evicted is below Floor", (*kit).floor},
		{"messages age", (*kit).age},
		{"an empty room has a head", (*kit).emptyHead},
		{"history is never stale", (*kit).fresh},
		{"messages are delivered in the order of the history", (*kit).order},
		{"nothing is delivered behind cancel", (*kit).cancel},
		{"a wildcard gets the messages of its rooms", (*kit).wildcard},
		{"volatile messages are not stored", (*kit).volatile},
		{"the latest value of each key is kept", (*kit).latest},
		{"signals reach who listens", (*kit).signals},
		{"what was published is not changed by others", (*kit).copies},
		{"a closed broker is unavailable", (*kit).closed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := &kit{t: t, b: open(t), patience: patience}
			for _, r := range []*live.Retention{stored, aging, none, keyed} {
				if err := k.b.Configure(r); err != nil {
					t.Fatalf("Configure %s: %v", r.Pattern, err)
				}
			}
			defer k.b.Close()
			tc.f(k)
			for i := range k.calls {
				if n := k.calls[i].Load(); n > 1 {
					t.Errorf("done was called %d times for publish %d", n, i)
				}
			}
		})
	}
}

// The patterns that the tests use.
var (
	stored = &live.Retention{Pattern: "stored:*", History: 10}
	aging  = &live.Retention{Pattern: "aging:*", History: 10, Age: time.Second}
	none   = &live.Retention{Pattern: "none:*"}
	keyed  = &live.Retention{Pattern: "keyed:*", Keys: true, MaxKeys: 3}
)

type kit struct {
	t        *testing.T
	b        live.Broker
	patience time.Duration

	mu    sync.Mutex
	calls []*atomic.Int32 // of done, for each publish
}

func room(name string, r *live.Retention) live.Room { return live.Room{Name: name, Retention: r} }

// message returns a message for a room, whose id and data say which it is.
func message(r live.Room, n int) *live.Publish {
	mid := fmt.Sprint("m", n)
	return &live.Publish{Room: r, DedupeKey: r.Name + "\x00ann\x00" + mid,
		Message: &live.Message{Type: "n", Room: r.Name, Mid: mid, From: "ann", Data: fmt.Append(nil, n), Codec: protocol.JSON}}
}

// publish publishes and waits for what came of it.
func (k *kit) publish(p *live.Publish) (live.Stored, error) {
	k.t.Helper()
	type result struct {
		st  live.Stored
		err error
	}
	done := make(chan result, 1)
	calls := &atomic.Int32{}
	k.mu.Lock()
	k.calls = append(k.calls, calls)
	k.mu.Unlock()
	k.b.Publish(p, func(st live.Stored, err error) {
		if calls.Add(1) == 1 {
			done <- result{st, err}
		}
	})
	select {
	case r := <-done:
		return r.st, r.err
	case <-time.After(k.patience):
		k.t.Fatal("done was not called")
		return live.Stored{}, nil
	}
}

func (k *kit) mustPublish(p *live.Publish) live.Stored {
	k.t.Helper()
	st, err := k.publish(p)
	if err != nil {
		k.t.Fatalf("publish: %v", err)
	}
	return st
}

func (k *kit) history(r live.Room, q live.Query) live.Page {
	k.t.Helper()
	page, err := k.b.History(context.Background(), r, q)
	if err != nil {
		k.t.Fatalf("history: %v", err)
	}
	return page
}

// texts returns the data of messages.
func texts(all []*live.Message) []string {
	out := []string{}
	for _, m := range all {
		out = append(out, string(m.Data))
	}
	return out
}

func (k *kit) want(what string, got, want any) {
	k.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// ear is a Sink that remembers.
type ear struct {
	mu  sync.Mutex
	all []*live.Message
}

func (e *ear) Deliver(m *live.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, m)
}

func (e *ear) Check(live.Position) {}

func (e *ear) heard() []*live.Message {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// listen subscribes until the test ends.
func (k *kit) listen(r live.Room) *ear {
	k.t.Helper()
	e := &ear{}
	cancel, err := k.b.Subscribe(r, e)
	if err != nil {
		k.t.Fatalf("subscribe: %v", err)
	}
	k.t.Cleanup(cancel)
	return e
}

// until waits for n messages.
func (k *kit) until(e *ear, n int) []*live.Message {
	k.t.Helper()
	for end := time.Now().Add(k.patience); ; time.Sleep(time.Millisecond) {
		if all := e.heard(); len(all) >= n {
			return all
		}
		if time.Now().After(end) {
			k.t.Fatalf("%d messages were delivered, want %d", len(e.heard()), n)
		}
	}
}

func (k *kit) positions() {
	a, b := room("stored:a", stored), room("stored:b", stored)
	e := k.listen(a)
	last := live.Position{}
	for i := range 5 {
		k.mustPublish(message(b, i))
		st := k.mustPublish(message(a, i))
		if st.Duplicate || st.Pos.Epoch == "" || st.Pos.Seq <= last.Seq || last.Epoch != "" && st.Pos.Epoch != last.Epoch || st.Pos.Mid != fmt.Sprint("m", i) {
			k.t.Fatalf("stored as %+v behind %+v", st, last)
		}
		m := k.until(e, i+1)[i]
		k.want("position of the delivery", m.Pos, st.Pos)
		if i > 0 {
			k.want("Prev", m.Prev, last.Seq)
		}
		last = st.Pos
	}
	k.want("type, from, data", []any{e.heard()[3].Type, e.heard()[3].From, string(e.heard()[3].Data)}, []any{"n", "ann", "3"})
}

func (k *kit) dedupe() {
	a := room("stored:a", stored)
	e := k.listen(a)
	first := k.mustPublish(message(a, 1))
	again := k.mustPublish(message(a, 1))
	k.want("the repetition", again, live.Stored{Pos: first.Pos, Duplicate: true})
	for i := 2; i < 20; i++ { // and when it is evicted
		k.mustPublish(message(a, i))
	}
	again = k.mustPublish(message(a, 1))
	k.want("the repetition behind its eviction", again, live.Stored{Pos: first.Pos, Duplicate: true})
	k.want("delivered", len(k.until(e, 19)), 19)
	if k.b.Dedupe() <= 0 {
		k.t.Error("there is no window")
	}
}

func (k *kit) dedupeIsNarrow() {
	a, b := room("stored:a", stored), room("stored:b", stored)
	k.mustPublish(message(a, 1))
	if st := k.mustPublish(message(b, 1)); st.Duplicate {
		k.t.Error("in another room")
	}
	bob := message(a, 1)
	bob.DedupeKey = a.Name + "\x00bob\x00m1"
	if st := k.mustPublish(bob); st.Duplicate {
		k.t.Error("of another publisher")
	}
	for range 2 {
		p := message(a, 1)
		p.DedupeKey = ""
		if st := k.mustPublish(p); st.Duplicate {
			k.t.Error("without a key")
		}
	}
}

func (k *kit) pages() {
	a, b := room("stored:a", stored), room("stored:b", stored)
	var seqs []uint64
	for i := range 8 {
		seqs = append(seqs, k.mustPublish(message(a, i)).Pos.Seq)
		k.mustPublish(message(b, 100+i))
	}
	page := k.history(a, live.Query{From: seqs[3], Limit: 3})
	k.want("forwards, inclusive", texts(page.Messages), []string{"3", "4", "5"})
	k.want("more", page.More, true)
	k.want("head", page.Head, live.Position{Epoch: page.Head.Epoch, Seq: seqs[7], Mid: "m7"})
	k.want("position", page.Messages[0].Pos, live.Position{Epoch: page.Head.Epoch, Seq: seqs[3], Mid: "m3"})
	page = k.history(a, live.Query{From: seqs[3] + 1, Limit: 10})
	k.want("from between", texts(page.Messages), []string{"4", "5", "6", "7"})
	k.want("more", page.More, false)
	page = k.history(a, live.Query{Backward: true, Limit: 3})
	k.want("the newest", texts(page.Messages), []string{"5", "6", "7"})
	k.want("more", page.More, true)
	page = k.history(a, live.Query{Backward: true, Before: seqs[5], Limit: 3})
	k.want("backwards", texts(page.Messages), []string{"2", "3", "4"})
	page = k.history(a, live.Query{Backward: true, Before: seqs[2], Limit: 3})
	k.want("the oldest", texts(page.Messages), []string{"0", "1"})
	k.want("more", page.More, false)
	page = k.history(a, live.Query{})
	k.want("no messages", len(page.Messages), 0)
	k.want("head alone", page.Head.Seq, seqs[7])
}

func (k *kit) floor() {
	a := room("stored:a", stored)
	var seqs []uint64
	for i := range 10 {
		seqs = append(seqs, k.mustPublish(message(a, i)).Pos.Seq)
	}
	if page := k.history(a, live.Query{Limit: 1}); page.Floor >= seqs[0] {
		k.t.Errorf("Floor is %d and nothing was evicted of %v", page.Floor, seqs)
	}
	for i := 10; i < 15; i++ {
		seqs = append(seqs, k.mustPublish(message(a, i)).Pos.Seq)
	}
	page := k.history(a, live.Query{Limit: 100})
	k.want("what is left", len(page.Messages), 10)
	if page.Floor < seqs[4] || page.Floor >= seqs[5] {
		k.t.Errorf("Floor is %d; %d was evicted and %d is there", page.Floor, seqs[4], seqs[5])
	}
}

func (k *kit) age() {
	a := room("aging:a", aging)
	last := k.mustPublish(message(a, 1)).Pos
	for end := time.Now().Add(k.patience); ; time.Sleep(10 * time.Millisecond) {
		page := k.history(a, live.Query{Limit: 10})
		if len(page.Messages) == 0 {
			if page.Floor < last.Seq || page.Head.Seq < last.Seq || page.Head.Mid != "" || page.Head.Epoch != last.Epoch {
				k.t.Errorf("%d has aged out; Floor is %d, the head %+v", last.Seq, page.Floor, page.Head)
			}
			break
		}
		if time.Now().After(end) {
			k.t.Fatal("nothing ages")
		}
	}
	if st := k.mustPublish(message(a, 2)); st.Pos.Seq <= last.Seq || st.Pos.Epoch != last.Epoch {
		k.t.Errorf("%+v behind %+v", st.Pos, last)
	}
}

func (k *kit) emptyHead() {
	a, b := room("stored:a", stored), room("stored:b", stored)
	for i := range 3 {
		k.mustPublish(message(a, i))
	}
	page := k.history(b, live.Query{Limit: 10})
	if page.Head.Mid != "" || page.Head.Epoch == "" {
		k.t.Errorf("head of an empty room: %+v", page.Head)
	}
	e := k.listen(b)
	st := k.mustPublish(message(b, 1))
	if st.Pos.Seq <= page.Head.Seq {
		k.t.Errorf("stored as %d, the empty room's head was %d", st.Pos.Seq, page.Head.Seq)
	}
	if m := k.until(e, 1)[0]; m.Prev > page.Head.Seq {
		k.t.Errorf("Prev is %d, the empty room's head was %d", m.Prev, page.Head.Seq)
	}
}

func (k *kit) fresh() {
	a := room("stored:a", stored)
	for i := range 200 {
		st := k.mustPublish(message(a, i))
		if page := k.history(a, live.Query{From: st.Pos.Seq, Limit: 1}); len(page.Messages) != 1 || page.Head.Seq < st.Pos.Seq {
			k.t.Fatalf("message %d was acknowledged and is not there", i)
		}
	}
}

func (k *kit) order() {
	a := room("stored:a", &live.Retention{Pattern: stored.Pattern, History: stored.History})
	e := k.listen(a)
	const n = 400
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range n / 4 {
				k.mustPublish(message(a, g*1000+i))
			}
		})
	}
	all.Wait()
	last := uint64(0)
	for _, m := range k.until(e, n) {
		if m.Pos.Seq <= last || last > 0 && m.Prev != last {
			k.t.Fatalf("%d with Prev %d behind %d", m.Pos.Seq, m.Prev, last)
		}
		last = m.Pos.Seq
	}
	k.want("head", k.history(a, live.Query{}).Head.Seq, last)
}

func (k *kit) cancel() {
	a := room("stored:a", stored)
	stay, e := k.listen(a), &ear{}
	cancel, err := k.b.Subscribe(a, e)
	if err != nil {
		k.t.Fatal(err)
	}
	k.mustPublish(message(a, 1))
	k.until(e, 1)
	cancel()
	k.mustPublish(message(a, 2))
	k.until(stay, 2)
	k.want("delivered", len(e.heard()), 1)
}

func (k *kit) wildcard() {
	e := k.listen(live.Room{Name: "stored:*"})
	k.mustPublish(message(room("stored:a", stored), 1))
	k.mustPublish(message(room("none:a", none), 2))
	k.mustPublish(message(room("stored:b", stored), 3))
	k.want("delivered", texts(k.until(e, 2)), []string{"1", "3"})
}

func (k *kit) volatile() {
	a, n := room("stored:a", stored), room("none:a", none)
	e, other := k.listen(a), k.listen(n)
	p := message(a, 1)
	p.Message.Volatile = true
	k.want("a volatile message", k.mustPublish(p), live.Stored{})
	k.want("in a room without history", k.mustPublish(message(n, 2)), live.Stored{})
	for _, m := range append(k.until(e, 1), k.until(other, 1)...) {
		if !m.Pos.IsZero() || m.Prev != 0 {
			k.t.Errorf("delivered with a position: %+v", m)
		}
	}
	k.want("stored", len(k.history(a, live.Query{Limit: 10}).Messages), 0)
}

func (k *kit) latest() {
	a := room("keyed:a", keyed)
	for i, key := range []string{"x", "y", "x", "z", "w"} {
		p := message(a, i)
		p.Message.Key = key
		if st := k.mustPublish(p); !st.Pos.IsZero() {
			k.t.Errorf("stored as %+v", st.Pos)
		}
	}
	all, err := k.b.Latest(context.Background(), a)
	if err != nil {
		k.t.Fatal(err)
	}
	k.want("values", texts(all), []string{"2", "3", "4"})
}

func (k *kit) signals() {
	var mu sync.Mutex
	var heard []string
	cancel, err := k.b.Listen("topic", func(p []byte) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, string(p))
	})
	if err != nil {
		k.t.Fatal(err)
	}
	defer cancel()
	k.b.Signal("other", []byte("no"))
	for i := range 3 {
		if err := k.b.Signal("topic", fmt.Append(nil, i)); err != nil {
			k.t.Fatal(err)
		}
	}
	for end := time.Now().Add(k.patience); ; time.Sleep(time.Millisecond) {
		mu.Lock()
		got := slices.Clone(heard)
		mu.Unlock()
		if len(got) == 3 {
			k.want("heard", got, []string{"0", "1", "2"})
			return
		}
		if time.Now().After(end) {
			k.t.Fatalf("heard %v", got)
		}
	}
}

func (k *kit) copies() {
	a := room("stored:a", stored)
	p := message(a, 1)
	k.mustPublish(p)
	p.Message.Type, p.Message.Mid = "changed", "changed"
	if m := k.history(a, live.Query{Limit: 1}).Messages[0]; m.Type != "n" || m.Mid != "m1" {
		k.t.Errorf("what is stored has changed: %+v", m)
	}
}

func (k *kit) closed() {
	a := room("stored:a", stored)
	if err := k.b.Close(); err != nil {
		k.t.Fatal(err)
	}
	if _, err := k.publish(message(a, 1)); !errors.Is(err, live.ErrUnavailable) {
		k.t.Errorf("publish: %v", err)
	}
	if _, err := k.b.History(context.Background(), a, live.Query{}); !errors.Is(err, live.ErrUnavailable) {
		k.t.Errorf("history: %v", err)
	}
	if _, err := k.b.Subscribe(a, &ear{}); !errors.Is(err, live.ErrUnavailable) {
		k.t.Errorf("subscribe: %v", err)
	}
}
