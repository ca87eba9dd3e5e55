package main

import (
	"context"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bench/meter"
	"github.com/tidewire/tidewire/bench/servers"
	"github.com/tidewire/tidewire/load"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values         []float64
		middle, spread float64
	}{
		{nil, 0, 0},
		{[]float64{4}, 4, 0},
		{[]float64{4, 2}, 3, 1.0 / 3},
		{[]float64{9, 1, 2}, 2, 2},
		{[]float64{0, 0}, 0, 0},
	} {
		if middle, spread := median(tc.values); middle != tc.middle || spread != tc.spread {
			t.Errorf("%v: %v ± %v", tc.values, middle, spread)
		}
	}
}

// One message in flight costs the epoll floor one read and one write, and whoever counts has to see that.
func TestCalls(t *testing.T) {
	b, end, err := newBench()
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	server, ok := servers.Find("floor-epoll")
	if !ok {
		server, _ = servers.Find("floor-conn") // elsewhere than on Linux
	}
	w := workload{plan: load.Plan{Connections: 4}}
	l := length{measure: 200 * time.Millisecond}
	if err := meter.CanCount(); err != nil {
		t.Log(err)
	} else {
		l.count = 50 * time.Millisecond
	}
	s, err := b.run(context.Background(), w, server, l)
	if err != nil {
		t.Fatal(err)
	}
	if s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
		t.Errorf("%+v", s)
	}
	if l.count > 0 && (!s.Counted || s.Reads < 0.9 || s.Reads > 1.3 || s.Writes < 0.9 || s.Writes > 1.3 || s.Calls < s.Reads+s.Writes) {
		t.Errorf("%v reads, %v writes, %v calls per message", s.Reads, s.Writes, s.Calls)
	}
}
