package natsbroker

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/live"
)

// Latest reads the values of a room, the one published longest ago first.
func (b *Broker) Latest(ctx context.Context, room live.Room) ([]*live.Message, error) {
	s, err := b.of(room)
	if err != nil {
		return nil, err
	}
	// A fence of the room's own is among its values: who gives it out has all that was stored before it.
	behind, err := s.mark(ctx, room.Name)
	if err != nil {
		return nil, err
	}
	every := s.every(room.Name)
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		values, marked, err := s.values(ctx, every, behind)
		if err != nil && !transient(err) {
			return nil, err
		}
		if err == nil && marked {
			var all []*live.Message
			age := s.keep.Age
			for _, x := range values {
				if age == 0 || time.Since(x.at) < age {
					all = append(all, x.msg)
				}
			}
			return all[max(0, len(all)-s.keep.MaxKeys):], nil
		}
		if err := s.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// mark stores a fence in a room, and returns its sequence number.
func (s *stream) mark(ctx context.Context, room string) (uint64, error) {
	type result struct {
		seq uint64
		err error
	}
	done := make(chan result, 1)
	s.send(&flight{subject: s.prefix + fenceKey + "." + subject(room), fence: true, done: func(st live.Stored, err error) {
		done <- result{st.Pos.Seq, err}
	}})
	select {
	case r := <-done:
		return r.seq, r.err
	case <-ctx.Done():
		return 0, unavailable(ctx.Err())
	}
}

// values reads the newest values of a room, and reports whether the fence was among them, or one behind it.
func (s *stream) values(ctx context.Context, every string, behind uint64) (all []stored, marked bool, err error) {
	rest := uint64(0)
	for seq := uint64(0); ; {
		got, err := s.ask(ctx, get{Next: every, Seq: seq, Batch: 1000, Bytes: pageBytes})
		if err != nil {
			return nil, false, err
		}
		// Values move to the end as they are replaced: behind a place there are ever more. If there are less, another server
		// has answered, which knows less, and a value may be in neither page.
		if uint64(len(got.all))+got.rest < rest {
			return nil, false, nil
		}
		rest = got.rest
		for _, x := range got.all {
			marked = marked || x.msg == nil && x.seq >= behind
			seq = x.seq + 1
		}
		all = s.newest(append(all, got.all...))
		if got.rest == 0 || len(got.all) == 0 {
			return all, marked, nil
		}
	}
}

// newest drops fences, values that were replaced while the pages were read, and those past MaxKeys.
func (s *stream) newest(all []stored) []stored {
	last := map[string]uint64{}
	for _, x := range all {
		if x.msg != nil {
			last[x.msg.Key] = x.seq
		}
	}
	all = slices.DeleteFunc(all, func(x stored) bool { return x.msg == nil || last[x.msg.Key] != x.seq })
	return slices.Delete(all, 0, max(0, len(all)-s.keep.MaxKeys))
}
