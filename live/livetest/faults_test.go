package livetest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
)

// faults are brokers that break one rule each, which test must find it, and what that
// says.
var faults = []struct {
	name, test, says string
	f                func(f *faulty)
}{
	{"a repetition has no position", "a_repeated_message_is_stored_once", "the repetition", func(f *faulty) {
		f.done = func(st live.Stored, err error, done func(live.Stored, error)) {
			if st.Duplicate {
				st.Pos = live.Position{}
			}
			done(st, err)
		}
	}},
	{"a repetition is not said to be one", "a_repeated_message_is_stored_once", "the repetition", func(f *faulty) {
		f.done = func(st live.Stored, err error, done func(live.Stored, error)) {
			st.Duplicate = false
			done(st, err)
		}
	}},
	{"nothing is known again", "a_repeated_message_is_stored_once", "the repetition", func(f *faulty) {
		f.publish = func(p *live.Publish) { p.DedupeKey = "" }
	}},
	{"ids are known again in every room", "the_same_id_elsewhere", "in another room", func(f *faulty) {
		f.publish = func(p *live.Publish) {
			_, p.DedupeKey, _ = strings.Cut(p.DedupeKey, "\x00")
		}
	}},
	{"ids are known again of everybody", "the_same_id_elsewhere", "of another publisher", func(f *faulty) {
		f.publish = func(p *live.Publish) {
			if p.DedupeKey != "" {
				p.DedupeKey = p.Room.Name + p.Message.Mid
			}
		}
	}},
	{"done is called twice", "positions_increase", "done was called 2 times", func(f *faulty) {
		f.done = func(st live.Stored, err error, done func(live.Stored, error)) {
			done(st, err)
			done(st, err)
		}
	}},
	{"done is never called", "positions_increase", "done was not called", func(f *faulty) {
		f.done = func(live.Stored, error, func(live.Stored, error)) {}
	}},
	{"Prev counts by one", "positions_increase", "Prev", func(f *faulty) {
		f.deliver = func(m *live.Message, deliver func(*live.Message)) {
			own := *m
			own.Prev = m.Pos.Seq - 1
			deliver(&own)
		}
	}},
	{"it delivers behind cancel", "nothing_is_delivered_behind_cancel", "delivered", func(f *faulty) { f.cancels = false }},
	{"it delivers twice", "messages_are_delivered_in_the_order", "behind", func(f *faulty) {
		f.deliver = func(m *live.Message, deliver func(*live.Message)) {
			deliver(m)
			deliver(m)
		}
	}},
	{"it reads exclusively", "history_is_read_in_both", "forwards, inclusive", func(f *faulty) {
		f.query = func(q *live.Query) {
			if q.From > 0 {
				q.From++
			}
		}
	}},
	{"it reads backwards inclusively", "history_is_read_in_both", "backwards", func(f *faulty) {
		f.query = func(q *live.Query) {
			if q.Before > 0 {
				q.Before++
			}
		}
	}},
	{"there is never more", "history_is_read_in_both", "more: got false", func(f *faulty) {
		f.page = func(p *live.Page) { p.More = false }
	}},
	{"the head has no mid", "history_is_read_in_both", "head", func(f *faulty) {
		f.page = func(p *live.Page) { p.Head.Mid = "" }
	}},
	{"an empty room's head is 0", "messages_age", "has aged out", func(f *faulty) {
		f.page = func(p *live.Page) {
			if p.Head.Mid == "" {
				p.Head.Seq = 0
			}
		}
	}},
	{"an empty room has no epoch", "an_empty_room_has_a_head", "head of an empty room", func(f *faulty) {
		f.page = func(p *live.Page) {
			if p.Head.Mid == "" {
				p.Head.Epoch = ""
			}
		}
	}},
	{"Floor is one too low", "what_is_evicted_is_below_Floor", "Floor is", func(f *faulty) {
		f.page = func(p *live.Page) { p.Floor-- }
	}},
	{"Floor is one too high", "what_is_evicted_is_below_Floor", "Floor is", func(f *faulty) {
		f.page = func(p *live.Page) { p.Floor++ }
	}},
	{"nothing is evicted", "what_is_evicted_is_below_Floor", "what is left", func(f *faulty) {
		f.publish = func(p *live.Publish) { p.Room.Retention = &live.Retention{History: 1000, Keys: p.Room.Retention.Keys} }
	}},
	{"its history is stale", "history_is_never_stale", "is not there", func(f *faulty) { f.stale = true }},
	{"volatile messages are stored", "volatile_messages_are_not_stored", "a volatile message", func(f *faulty) {
		f.publish = func(p *live.Publish) {
			own := *p.Message
			own.Volatile = false
			p.Message = &own
		}
	}},
	{"values come in any order", "the_latest_value_of_each_key", "values", func(f *faulty) {
		f.latest = func(all []*live.Message) []*live.Message {
			if len(all) > 1 {
				all[0], all[1] = all[1], all[0]
			}
			return all
		}
	}},
	{"a value is missing", "the_latest_value_of_each_key", "values", func(f *faulty) {
		f.latest = func(all []*live.Message) []*live.Message { return all[:len(all)-1] }
	}},
	{"signals come twice", "signals_reach_who_listens", "heard", func(f *faulty) { f.echoes = 2 }},
	{"signals are lost", "signals_reach_who_listens", "heard []", func(f *faulty) { f.echoes = 0 }},
	{"what is delivered is not copied", "what_was_published_is_not_changed", "has changed", func(f *faulty) { f.lends = true }},
	{"it goes on behind Close", "a_closed_broker_is_unavailable", "publish: <nil>", func(f *faulty) { f.ends = false }},
}

// faulty is a Memory that breaks a rule.
type faulty struct {
	*live.Memory
	publish       func(p *live.Publish)
	done          func(st live.Stored, err error, done func(live.Stored, error))
	deliver       func(m *live.Message, deliver func(*live.Message))
	query         func(q *live.Query)
	page          func(p *live.Page)
	latest        func(all []*live.Message) []*live.Message
	cancels, ends bool
	stale, lends  bool
	echoes        int

	mu   sync.Mutex
	last live.Page
	lent map[uint64]*live.Message
}

func (f *faulty) Publish(p *live.Publish, done func(live.Stored, error)) {
	own := *p
	if f.publish != nil {
		f.publish(&own)
	}
	f.Memory.Publish(&own, func(st live.Stored, err error) {
		if f.lends {
			f.mu.Lock()
			f.lent[st.Pos.Seq] = p.Message
			f.mu.Unlock()
		}
		if f.done != nil {
			f.done(st, err, done)
		} else {
			done(st, err)
		}
	})
}

type faultySink struct {
	live.Sink
	f *faulty
}

func (s faultySink) Deliver(m *live.Message) {
	if s.f.deliver != nil {
		s.f.deliver(m, s.Sink.Deliver)
	} else {
		s.Sink.Deliver(m)
	}
}

func (f *faulty) Subscribe(r live.Room, s live.Sink) (func(), error) {
	cancel, err := f.Memory.Subscribe(r, faultySink{s, f})
	if !f.cancels {
		cancel = func() {}
	}
	return cancel, err
}

func (f *faulty) History(ctx context.Context, r live.Room, q live.Query) (live.Page, error) {
	if f.query != nil {
		f.query(&q)
	}
	page, err := f.Memory.History(ctx, r, q)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stale {
		page, f.last = f.last, page
	}
	for i, m := range page.Messages {
		if f.lent[m.Pos.Seq] != nil {
			own := *f.lent[m.Pos.Seq]
			own.Pos, own.Prev = m.Pos, m.Prev
			page.Messages[i] = &own
		}
	}
	if f.page != nil {
		f.page(&page)
	}
	return page, err
}

func (f *faulty) Latest(ctx context.Context, r live.Room) ([]*live.Message, error) {
	all, err := f.Memory.Latest(ctx, r)
	if f.latest != nil {
		all = f.latest(all)
	}
	return all, err
}

func (f *faulty) Signal(topic string, p []byte) error {
	for range f.echoes {
		if err := f.Memory.Signal(topic, p); err != nil {
			return err
		}
	}
	return nil
}

func (f *faulty) Close() error {
	if !f.ends {
		return nil
	}
	return f.Memory.Close()
}

// faultIs names the environment variable that has TestFaulty test one of faults.
const faultIs = "LIVETEST_FAULT"

// Each fault is found out, by the test that is there for it. As a test that fails cannot
// be seen from inside, the faults are tested by this binary once more.
func TestFaults(t *testing.T) {
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, name, test string) (string, error) {
		cmd := exec.CommandContext(t.Context(), me, "-test.run", "^TestFaulty$/"+test, "-test.timeout", "60s")
		cmd.Env = append(os.Environ(), faultIs+"="+name)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(t, "none", "."); err != nil {
		t.Fatalf("without a fault: %v\n%s", err, out)
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			out, err := run(t, fault.name, fault.test)
			if err == nil {
				t.Errorf("%s does not find it", fault.test)
			} else if !strings.Contains(out, fault.says) || strings.Contains(out, "panic:") {
				t.Errorf("it does not say %q:\n%s", fault.says, out)
			}
		})
	}
}

// TestFaulty is for TestFaults.
func TestFaulty(t *testing.T) {
	name := os.Getenv(faultIs)
	if name == "" {
		return
	}
	TestBroker(t, func(*testing.T) live.Broker {
		f := &faulty{Memory: live.NewMemory(nil), cancels: true, ends: true, echoes: 1, lent: map[uint64]*live.Message{}}
		for _, fault := range faults {
			if fault.name == name {
				fault.f(f)
			}
		}
		return f
	}, &Options{Patience: 1500 * time.Millisecond})
}
