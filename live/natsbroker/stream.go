package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/live"
)

// group is the streams of a pattern.
type group struct {
	keep    *live.Retention
	streams []*stream
}

// stream is one of them.
type stream struct {
	broker *Broker
	keep   *live.Retention
	name   string
	prefix string // of its subjects, with the point

	epoch      atomic.Pointer[string] // nil until the stream is known to be there
	replicated atomic.Bool
	out        outgoing
	fences     fences
	health     health

	mu sync.Mutex // held while it is made
}

// A message is kept for so much longer than it is given out: as long as the last one of a quiet room is there, it shows
// that who has seen it has missed nothing.
const ageSlack = 24 * time.Hour

// startKey is the room of a stream's first message, which is empty. While that is there the stream has evicted nothing at
// its end: where rooms have less than their history nothing of them is gone, however busy others are.
const startKey = "$0"

// deletion is how long a server is given to delete a stream.
const deletion = 500 * time.Millisecond

// newGroup returns the streams of a pattern, which are still to be made.
func (b *Broker) newGroup(keep *live.Retention) *group {
	g := &group{keep: keep}
	h := fnv.New64a()
	fmt.Fprint(h, keep.Pattern, "\x00", keep.Keys)
	id := strconv.FormatUint(h.Sum64(), 36)
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, keep.Pattern)
	plain = plain[:min(len(plain), 40)]
	for i := range b.set.Shards {
		part := fmt.Sprintf("%dof%d", i, b.set.Shards)
		s := &stream{broker: b, keep: keep,
			name:   fmt.Sprintf("%s_%s_%s_%s", b.set.Name, plain, id, part),
			prefix: fmt.Sprintf("%s.s.%s.%s.", b.set.Name, id, part),
		}
		s.out.stream = s
		g.streams = append(g.streams, s)
	}
	return g
}

func (g *group) of(room string) *stream { return g.streams[shard(room, len(g.streams))] }

// subject returns where a room, or a value of one, is stored.
func (s *stream) subject(room, key string) string {
	if !s.keep.Keys {
		return s.prefix + subject(room)
	}
	return s.prefix + token(key) + "." + subject(room)
}

// every returns the filter that matches all of a room.
func (s *stream) every(room string) string {
	if !s.keep.Keys {
		return s.prefix + subject(room)
	}
	return s.prefix + "*." + subject(room)
}

// config is how the stream is to be.
func (s *stream) config(replicas int) jetstream.StreamConfig {
	// One more than is given out: the oldest says up to where messages were evicted.
	perSubject := int64(s.keep.History) + 1
	if s.keep.Keys {
		perSubject = 1
	}
	c := s.broker.config(s.name, s.prefix, perSubject, replicas)
	c.Description = "tidewire: rooms " + s.keep.Pattern
	c.MaxBytes = max(s.broker.set.MaxBytes/int64(s.broker.set.Shards), 1<<20)
	c.Duplicates = s.broker.set.Dedupe
	if s.keep.Age > 0 {
		c.MaxAge = max(s.keep.Age+ageSlack, s.broker.set.Dedupe)
	}
	return c
}

// config is what all streams are, with so many messages of a subject: one where there are keys, and more elsewhere.
func (b *Broker) config(name, prefix string, perSubject int64, replicas int) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              name,
		Subjects:          []string{prefix + ">"},
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		Discard:           jetstream.DiscardOld,
		MaxMsgs:           -1,
		AllowDirect:       true,
		RePublish:         &jetstream.RePublish{Source: prefix + ">", Destination: b.set.Name + ".r.>"},
		MaxMsgsPerSubject: perSubject,
	}
	if perSubject == 1 {
		c.RePublish.Source = prefix + "*.>"
	}
	return c
}

// replicas returns how many replicas a stream that is made gets.
func (b *Broker) replicas() int {
	switch {
	case b.set.Replicas > 0:
		return b.set.Replicas
	case b.nc.ConnectedClusterName() != "":
		return 3
	}
	return 1
}

// make makes the stream, or has it be as it should, and notes which one it is.
func (s *stream) make(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, done := context.WithTimeout(ctx, askSilence) // an answer may be lost: who asks asks again
	defer done()
	b := s.broker
	js := b.js
	there, err := js.Stream(ctx, s.name)
	replicas := b.set.Replicas
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if s.epochNow() != "" {
			// It was deleted just now. A server that makes it anew before it has cleaned up is left with one that takes
			// messages and does not answer.
			if sleep(ctx, deletion); ctx.Err() != nil {
				return unavailable(ctx.Err())
			}
		}
		if there, err = js.CreateStream(ctx, s.config(b.replicas())); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			there, err = js.Stream(ctx, s.name) // another node was faster
		}
	case err == nil:
		was := there.CachedInfo().Config
		if was.Metadata[importingKey] != "" {
			return errImporting
		}
		if replicas == 0 {
			replicas = was.Replicas
		}
		want := s.config(replicas)
		want.Metadata = was.Metadata // the epoch is in it
		if was.MaxMsgsPerSubject != want.MaxMsgsPerSubject || was.MaxAge != want.MaxAge || was.MaxBytes != want.MaxBytes ||
			was.Duplicates != want.Duplicates || was.Replicas != want.Replicas {
			there, err = js.UpdateStream(ctx, want)
		}
	}
	if err != nil {
		return err
	}
	info := there.CachedInfo()
	if info.State.Msgs == 0 && !s.keep.Keys {
		if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: s.prefix + startKey}); err != nil {
			return unavailable(err)
		}
	}
	s.replicated.Store(info.Config.Replicas > 1)
	epoch := epochOf(info)
	was := s.epoch.Swap(&epoch)
	if was != nil && *was != epoch {
		b.heads.doubt(s)
	}
	return nil
}

// epochNow returns the stream's identity: when it was created, here or where it was exported.
func (s *stream) epochNow() string {
	if e := s.epoch.Load(); e != nil {
		return *e
	}
	return ""
}

// info returns what the stream's leader knows, of a room too.
func (s *stream) info(ctx context.Context, filter string) (*jetstream.StreamInfo, error) {
	info := &jetstream.StreamInfo{}
	return info, s.request(ctx, "INFO", map[string]string{"subjects_filter": filter}, info)
}
