//go:build !race

package metrics_test

import (
	"context"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/metrics"
)

var messages = map[string]*live.Message{
	"publish":       {Type: "say", Room: "room:7"},
	"call":          {Type: "ask", ID: 1},
	"join":          {Type: "$join", Room: "room:7"},
	"a type of its": {Type: "never seen"},
}

// A message costs no allocation.
func TestHooksDoNotAllocate(t *testing.T) {
	h := metrics.New(metrics.Options{Types: []string{"say"}}).Hooks(nil)
	refusal := &live.Error{Code: "no-room"}
	for name, m := range messages {
		for _, err := range []error{nil, refusal} {
			if n := testing.AllocsPerRun(1000, func() {
				_, done := h.Message(context.Background(), nil, m)
				done(err)
			}); n >= 1 {
				t.Errorf("%s with %v: %v allocations", name, err, n)
			}
		}
	}
	for name, f := range map[string]func(){
		"Published": func() { h.Published(messages["publish"], 100) },
		"Refused":   func() { h.Refused(nil, messages["publish"], refusal) },
		"Slow":      func() { h.Slow(nil, "room:7", live.CatchUp) },
	} {
		if n := testing.AllocsPerRun(1000, f); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	h := metrics.New(metrics.Options{Types: []string{"say"}}).Hooks(nil)
	b.ReportAllocs()
	for b.Loop() {
		_, done := h.Message(context.Background(), nil, messages["publish"])
		done(nil)
	}
}

func BenchmarkMessageParallel(b *testing.B) {
	h := metrics.New(metrics.Options{}).Hooks(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, done := h.Message(context.Background(), nil, messages["publish"])
			done(nil)
		}
	})
}

func BenchmarkPublished(b *testing.B) {
	h := metrics.New(metrics.Options{}).Hooks(nil)
	b.ReportAllocs()
	for b.Loop() {
		h.Published(messages["publish"], 100)
	}
}

// What a scrape costs that reads 10,000 sessions in 1,000 rooms, and one that shows what was read before.
func BenchmarkScrape(b *testing.B) {
	for name, age := range map[string]int{"anew": -1, "cached": 0} {
		b.Run(name, func(b *testing.B) {
			k := newKit(b, metrics.Options{MaxAge: -1}, nil)
			if age == 0 {
				k = newKit(b, metrics.Options{MaxAge: 1 << 40}, nil)
			}
			for i := range 10_000 {
				c := k.dialDeaf()
				k.send(c, `{"type":"$join","id":1,"room":"room:%d"}`, i%1000)
			}
			for k.hub.State().Members < 10_000 {
			}
			k.values()
			b.ReportAllocs()
			for b.Loop() {
				if w := scrape(k.m.Handler(), ""); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
			b.ReportMetric(k.values()["tidewire_snapshot_duration_seconds"]*1e6, "µs-snapshot")
		})
	}
}
