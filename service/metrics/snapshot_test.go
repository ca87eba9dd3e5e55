package metrics

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
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
