package talk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// brief is a peer that ends at once.
type brief struct{ talk.Peer }

func (brief) Receive(context.Context, func(talk.Message)) talk.End { return talk.End{By: ws.Peer} }

// The waits grow while no connection lasts, however long it takes to be made.
func TestBackoffGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var waits []time.Duration
		last := time.Now()
		run := &talk.Talk{
			Input: talk.Nothing(), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}}, Again: true,
			Backoff: talk.Backoff{Min: time.Second, Max: 8 * time.Second},
			Connect: func(context.Context) (talk.Peer, error) {
				if waits = append(waits, time.Since(last)); len(waits) == 8 {
					stop()
					return nil, context.Canceled
				}
				time.Sleep(time.Minute)
				last = time.Now()
				return brief{}, nil
			},
		}
		if err := run.Run(ctx); err != nil {
			t.Error(err)
		}
		if wait := waits[7]; wait < 4*time.Second || wait > 8*time.Second {
			t.Error(waits)
		}
	})
}

// lasting is a peer that ends after an hour.
type lasting struct{ talk.Peer }

func (lasting) Receive(context.Context, func(talk.Message)) talk.End {
	time.Sleep(time.Hour)
	return talk.End{By: ws.Peer}
}

// TestBackoffShrinks has a connection last for which many attempts were needed: the wait behind it is a short one again.
func TestBackoffShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var ended time.Time
		attempts := 0
		run := &talk.Talk{
			Input: talk.Nothing(), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}}, Again: true,
			Backoff: talk.Backoff{Min: time.Second, Max: time.Minute},
			Connect: func(context.Context) (talk.Peer, error) {
				switch attempts++; attempts {
				case 10:
					ended = time.Now().Add(time.Hour)
					return lasting{}, nil
				case 11:
					stop()
				}
				return nil, errors.New("nobody is there")
			},
		}
		began := time.Now()
		if err := run.Run(ctx); err != nil {
			t.Error(err)
		}
		if wait := time.Since(ended); wait > time.Second || ended.Sub(began) < time.Hour+2*time.Minute {
			t.Errorf("%v behind %v", wait, ended.Sub(began))
		}
	})
}

// TestBackoffEnds has a wait between two attempts be ended: as time is up, and by a signal.
func TestBackoffEnds(t *testing.T) {
	for _, tc := range []struct {
		expected int
		timeout  time.Duration
		fails    string
	}{
		{1, 10 * time.Second, "after 10s: 0 of 1 messages came (-n) (--timeout)"},
		{1, 0, "stopped: 0 of 1 messages came (-n)"},
		{0, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 15*time.Second)
			defer stop()
			began := time.Now()
			run := &talk.Talk{
				Input: talk.Nothing(), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}}, Again: true,
				Backoff: talk.Backoff{Min: time.Hour, Max: time.Hour}, Timeout: tc.timeout, Expectation: talk.Expectation{Count: tc.expected},
				Connect: func(context.Context) (talk.Peer, error) { return nil, errors.New("nobody is there") },
			}
			err := run.Run(ctx)
			if errors.Is(err, talk.ErrUnseen) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%v, want %s", err, tc.fails)
			}
			if d := time.Since(began); d > 15*time.Second || tc.timeout > 0 && d != tc.timeout {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// deaf is a peer that closes while it is told something.
type deaf struct {
	talk.Peer
	told chan struct{}
}

func (p deaf) Send(context.Context, talk.Message) error {
	close(p.told)
	return errors.New("closed")
}

func (p deaf) Receive(context.Context, func(talk.Message)) talk.End {
	<-p.told
	return talk.End{By: ws.Peer, Code: ws.StatusNormalClosure}
}

// TestInputUnsent has a peer close in good order before it has heard all: that is no success.
func TestInputUnsent(t *testing.T) {
	run := &talk.Talk{
		Input: talk.Pipe(strings.NewReader("one\ntwo\n"), talk.Piping{}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
		Connect: func(context.Context) (talk.Peer, error) { return deaf{told: make(chan struct{})}, nil },
	}
	if err := run.Run(t.Context()); !errors.Is(err, talk.ErrBroken) || !strings.Contains(err.Error(), "not all of the input has been sent") {
		t.Error(err)
	}
}
