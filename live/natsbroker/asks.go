package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/live"
)

// inbox is where answers come in: one subscription for all that is asked.
type inbox struct {
	nc     *nats.Conn
	prefix string

	mu   sync.Mutex // guards what follows
	last uint64
	open map[string]func(m *nats.Msg) (more bool)
}

func newInbox(nc *nats.Conn) (*inbox, error) {
	x := &inbox{nc: nc, prefix: nats.NewInbox() + ".", open: map[string]func(*nats.Msg) bool{}}
	sub, err := nc.Subscribe(x.prefix+"*", x.take)
	if err != nil {
		return nil, err
	}
	// What is asked for at once is bounded; what is lost past this is asked for again.
	return x, sub.SetPendingLimits(1<<20, 512<<20)
}

// expect returns the subject for the answers that f takes, until it returns false or forget is called. f does not block.
func (x *inbox) expect(f func(m *nats.Msg) (more bool)) (reply string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last++
	key := strconv.FormatUint(x.last, 36)
	x.open[key] = f
	return x.prefix + key
}

func (x *inbox) forget(reply string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.open, reply[len(x.prefix):])
}

func (x *inbox) take(m *nats.Msg) {
	x.mu.Lock()
	f := x.open[m.Subject[len(x.prefix):]]
	x.mu.Unlock()
	if f != nil && !f(m) {
		x.forget(m.Subject)
	}
}

// request asks a stream's leader by JetStream's API, and reads the answer.
func (s *stream) request(ctx context.Context, what string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	m, err := s.broker.nc.RequestWithContext(ctx, "$JS.API.STREAM."+what+"."+s.name, body)
	if err != nil {
		return unavailable(err)
	}
	var failed struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &failed); err != nil {
		return err
	}
	if failed.Error != nil {
		return unavailable(errors.New(failed.Error.Description))
	}
	return json.Unmarshal(m.Data, answer)
}

// get is what a stream is asked for directly: any server that has the stream may answer.
type get struct {
	Seq   uint64   `json:"seq,omitempty"`
	Next  string   `json:"next_by_subj,omitempty"`
	Batch int      `json:"batch,omitempty"`
	Bytes int      `json:"max_bytes,omitempty"`
	Last  []string `json:"multi_last,omitempty"`
}

// batch is the answer.
type batch struct {
	all  []stored
	rest uint64 // how many more there are
	upTo uint64 // for Last: as of which message of the stream
}

// errLost says that a part of an answer did not come.
var errLost = fmt.Errorf("natsbroker: a part of the answer was lost: %w", live.ErrUnavailable)

// askSilence is how long nothing of an answer may come until it counts as lost: the server that was asked may be gone, which
// nobody else says.
const askSilence = 2 * time.Second

// ask asks a stream, and waits for the whole answer.
func (s *stream) ask(ctx context.Context, g get) (batch, error) {
	b := s.broker
	select {
	case b.reading <- struct{}{}:
		defer func() { <-b.reading }()
	case <-ctx.Done():
		return batch{}, unavailable(ctx.Err())
	case <-b.closing:
		return batch{}, live.ErrUnavailable
	}
	var got []*nats.Msg
	var parts atomic.Int64
	done := make(chan struct{})
	reply := b.answers.expect(func(m *nats.Msg) bool {
		got = append(got, m)
		parts.Add(1)
		if len(m.Header[headerStatus]) > 0 {
			close(done)
			return false
		}
		return true
	})
	body, err := json.Marshal(g)
	if err != nil {
		return batch{}, err
	}
	if err := b.nc.PublishRequest("$JS.API.DIRECT.GET."+s.name, reply, body); err != nil {
		b.answers.forget(reply)
		return batch{}, unavailable(err)
	}
	silence := time.NewTicker(askSilence)
	defer silence.Stop()
	for came, over := int64(0), false; !over; {
		select {
		case <-done:
			over = true
		case <-ctx.Done():
			err = unavailable(ctx.Err())
		case <-b.closing:
			err = live.ErrUnavailable
		case <-silence.C:
			n := parts.Load()
			if n == came {
				err = errLost
			}
			came = n
		}
		if err != nil {
			b.answers.forget(reply)
			return batch{}, err
		}
	}
	end := got[len(got)-1]
	out := batch{rest: number(end, headerPending), upTo: number(end, headerUpTo)}
	status := ""
	if v := end.Header[headerStatus]; len(v) > 0 {
		status = v[0]
	}
	switch {
	case status == "404" && len(got) == 1:
		return batch{}, nil
	case status == "503":
		b.heads.doubt(s) // it may be gone: NATS does not always tell
		return batch{}, unavailable(nats.ErrNoResponders)
	case status == "404":
		return batch{}, errLost // a message was evicted meanwhile
	case status != "204":
		return batch{}, fmt.Errorf("natsbroker: %s: %s %s", s.name, status, end.Header.Get(headerWhy))
	}
	last := uint64(0)
	epoch := s.epochNow()
	for _, m := range got {
		if number(m, headerLast) != last {
			return batch{}, errLost
		}
		if m == end {
			break
		}
		one, err := fromStream(m, epoch)
		if err != nil {
			b.set.Logger.Error("natsbroker: somebody has published what is no message", "stream", s.name, "error", err)
		}
		last = one.seq
		out.all = append(out.all, one)
	}
	return out, nil
}

// unavailable says that NATS did not answer.
func unavailable(err error) error { return fmt.Errorf("%w: %w", live.ErrUnavailable, err) }
