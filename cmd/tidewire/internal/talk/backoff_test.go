package talk_test

import (
	"context"
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
