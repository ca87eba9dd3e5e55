package metrics

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// Where reading takes long, it is done seldom.
func TestReaderTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := live.NewHub(nil)
		defer hub.Close()
		r := reader{hub: hub, maxAge: 5 * time.Second}
		first := r.read()
		r.last.took = 2 * time.Second
		time.Sleep(39 * time.Second)
		if s := r.read(); s.at != first.at {
			t.Errorf("read again after 39 s, what took 2 s")
		}
		time.Sleep(time.Second)
		if s := r.read(); s.at == first.at {
			t.Errorf("not read again after 40 s")
		}
	})
}

// A counter that fell would be taken for one that began anew.
func TestCountersDoNotFall(t *testing.T) {
	hub := live.NewHub(nil)
	defer hub.Close()
	r := reader{hub: hub, maxAge: -1}
	r.last.state.MessagesOut, r.last.state.BytesOut = 7, 700
	if s := r.read(); s.state.MessagesOut != 7 || s.state.BytesOut != 700 {
		t.Errorf("from 7 and 700 to %d and %d", s.state.MessagesOut, s.state.BytesOut)
	}
}

func TestHottest(t *testing.T) {
	rooms := []live.RoomState{{Name: "b", Rate: 2}, {Name: "quiet"}, {Name: "a", Rate: 2}, {Name: "c", Rate: 9}, {Name: "d", Rate: 1}}
	got := ""
	for _, r := range hottest(rooms, 3) {
		got += r.Name
	}
	if got != "cab" {
		t.Errorf("the hottest are %q", got)
	}
}

func TestOutcomes(t *testing.T) {
	for want, err := range map[string]error{
		"ok":          nil,
		"no-room":     &live.Error{Code: "no-room"},
		"forbidden":   fmt.Errorf("wrapped: %w", protocol.Errorf("forbidden", "no")),
		"unavailable": fmt.Errorf("wrapped: %w", live.ErrUnavailable),
		"internal":    errors.New("anything"),
	} {
		if got := outcomeOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
