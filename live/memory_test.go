package live_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// put publishes to a Memory.
func put(t *testing.T, b *live.Memory, r live.Room, mid string, size int) (st live.Stored, err error) {
	t.Helper()
	called := false
	b.Publish(&live.Publish{Room: r, DedupeKey: r.Name + mid, Message: &live.Message{Type: "n", Room: r.Name, Mid: mid, Data: make([]byte, size)}},
		func(s live.Stored, e error) { st, err, called = s, e, true })
	if !called {
		t.Fatal("done was not called")
	}
	return st, err
}

func page(t *testing.T, b *live.Memory, r live.Room) live.Page {
	t.Helper()
	p, err := b.History(context.Background(), r, live.Query{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Past MaxBytes the oldest message of all rooms is evicted, and Floor says so.
func TestMemoryBytes(t *testing.T) {
	b := live.NewMemory(&live.MemoryOptions{MaxBytes: 100_000})
	defer b.Close()
	keep := &live.Retention{History: 1000}
	quiet, hot := live.Room{Name: "quiet", Retention: keep}, live.Room{Name: "hot", Retention: keep}
	first, _ := put(t, b, quiet, "q", 1000)
	for i := range 500 {
		put(t, b, hot, fmt.Sprint(i), 1000)
	}
	if p := page(t, b, quiet); len(p.Messages) != 0 || p.Floor < first.Pos.Seq {
		t.Errorf("the quiet room has %d messages, Floor %d", len(p.Messages), p.Floor)
	}
	p := page(t, b, hot)
	if n := len(p.Messages); n < 50 || n > 100 || p.Floor != p.Messages[0].Pos.Seq-1 {
		t.Errorf("the hot room has %d messages, Floor %d", n, p.Floor)
	}
}

// Past MaxDedupe nothing more is taken until there is room: forgetting would store
// twice.
func TestMemoryDedupe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := live.NewMemory(&live.MemoryOptions{MaxDedupe: 10, Dedupe: time.Minute})
		defer b.Close()
		r := live.Room{Name: "r", Retention: &live.Retention{History: 5}}
		for i := range 10 {
			if _, err := put(t, b, r, fmt.Sprint(i), 1); err != nil {
				t.Fatal(err)
			}
		}
		_, err := put(t, b, r, "more", 1)
		var e *live.Error
		if !errors.As(err, &e) || e.Code != protocol.CodeBusy || e.RetryAfter <= 0 {
			t.Errorf("got %v", err)
		}
		if st, err := put(t, b, r, "3", 1); err != nil || !st.Duplicate {
			t.Errorf("a repetition: %v, %v", st, err)
		}
		time.Sleep(59 * time.Second)
		if st, err := put(t, b, r, "3", 1); err != nil || !st.Duplicate {
			t.Errorf("within the window: %v, %v", st, err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := put(t, b, r, "more", 1); err != nil {
			t.Errorf("behind the window: %v", err)
		}
		time.Sleep(50 * time.Second)
		put(t, b, r, "late", 1) // late in one window of a minute, and again late in the next
		time.Sleep(55 * time.Second)
		if st, err := put(t, b, r, "late", 1); err != nil || !st.Duplicate {
			t.Errorf("within the window, across its turn: %v, %v", st, err)
		}
	})
}

// Of a room that is empty and unused only its last position is kept, and of very many
// such rooms that something was evicted: a client may be told of a gap then, and never
// of none where there was one.
func TestMemoryForgetsRooms(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := live.NewMemory(nil)
		defer b.Close()
		keep := &live.Retention{History: 5, Age: time.Second}
		name := func(i int) live.Room { return live.Room{Name: fmt.Sprint("room:", i), Retention: keep} }
		const n = 1<<16 + 1000
		seqs := make([]uint64, n)
		for i := range seqs {
			st, err := put(t, b, name(i), "m", 1)
			if err != nil {
				t.Fatal(err)
			}
			seqs[i] = st.Pos.Seq
		}
		time.Sleep(time.Minute)
		if s := b.String(); s != "live.Memory: 0 messages, 0 bytes, 0 rooms" {
			t.Error(s)
		}
		exact := 0
		for i, seq := range seqs {
			switch p := page(t, b, name(i)); {
			case p.Floor < seq:
				t.Fatalf("Floor of room %d is %d, and %d was evicted", i, p.Floor, seq)
			case p.Floor == seq:
				exact++
			}
		}
		if exact < 1<<16 {
			t.Errorf("%d of %d rooms are remembered", exact, n)
		}
	})
}
