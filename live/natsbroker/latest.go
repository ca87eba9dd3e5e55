package natsbroker

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

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
		values, stored, marked, err := s.values(ctx, every, behind)
		if err != nil && !isUnavailable(err) {
			return nil, err
		}
		if err == nil && marked {
			if stored > uint64(2*s.keep.MaxKeys) {
				s.purge(ctx, every, values[0].seq)
			}
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

// purge deletes the values of a room below a position: the stream bounds its keys by bytes and age alone, and each read would
// go through all of them.
func (s *stream) purge(ctx context.Context, every string, below uint64) {
	there, err := s.broker.js.Stream(ctx, s.name)
	if err == nil {
		err = there.Purge(ctx, jetstream.WithPurgeSubject(every), jetstream.WithPurgeSequence(below))
	}
	if err != nil {
		s.broker.set.Logger.Warn("natsbroker: values past MaxKeys could not be deleted", "stream", s.name, "error", err)
	}
}

// values reads the newest values of a room, and says how many are stored, and whether the fence was among them, or one
// behind it.
func (s *stream) values(ctx context.Context, every string, behind uint64) (all []stored, total uint64, marked bool, err error) {
	rest := uint64(0)
	for seq := uint64(0); ; {
		got, err := s.ask(ctx, get{Next: every, Seq: seq, Batch: 1000, Bytes: pageBytes})
		if err != nil {
			return nil, 0, false, err
		}
		total = max(total, uint64(len(got.all))+got.rest)
		// Values move to the end as they are replaced: behind a place there are ever more. If there are less, another server
		// has answered, which knows less, and a value may be in neither page.
		if uint64(len(got.all))+got.rest < rest {
			return nil, 0, false, nil
		}
		rest = got.rest
		for _, x := range got.all {
			marked = marked || x.msg == nil && x.seq >= behind
			seq = x.seq + 1
		}
		all = s.newest(append(all, got.all...))
		if got.rest == 0 || len(got.all) == 0 {
			return all, total, marked, nil
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
