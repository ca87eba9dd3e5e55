package main

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bench/meter"
	"github.com/tidewire/tidewire/bench/servers"
	"github.com/tidewire/tidewire/load"
)

// Every server does everything that it says it can: the load generator compares each byte.
func TestServers(t *testing.T) {
	b, end, err := newBench()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	// None is empty: nbio hands out no empty messages.
	sizes := load.Sizes{{Bytes: 1, Weight: 1}, {Bytes: 125, Weight: 8}, {Bytes: 126, Weight: 1}, {Bytes: 70_000, Weight: 1}, {Bytes: 1 << 20, Weight: 1}}
	kib := load.Sizes{{Bytes: 1 << 10, Weight: 1}}
	jobs := map[string]struct {
		job  servers.Job
		plan load.Plan
	}{
		"echo":     {servers.Job{}, load.Plan{Connections: 4, Depth: 4, Sizes: sizes}},
		"fan-out":  {servers.Job{Fanout: true}, load.Plan{Scenario: load.Fanout, Connections: 8, Depth: 4}},
		"live":     {servers.Job{Live: true}, load.Plan{Scenario: load.Live, Connections: 12, Rooms: 3, Depth: 4}},
		"tls":      {servers.Job{Cert: b.cert, Key: b.key}, load.Plan{Connections: 2, Depth: 2}},
		"fresh":    {servers.Job{Deflate: true}, load.Plan{Connections: 2, Depth: 2, Sizes: kib, Compression: load.NoTakeover}},
		"takeover": {servers.Job{Deflate: true, Takeover: true}, load.Plan{Connections: 2, Depth: 2, Sizes: kib, Compression: load.Takeover}},
	}
	for _, server := range servers.All() {
		if err := meter.Missing(server); err != nil {
			t.Errorf("%s: %v", server.Name, err)
			continue
		}
		done := 0
		for name, j := range jobs {
			if !server.Can(j.job) {
				continue
			}
			done++
			t.Run(server.Name+"/"+name, func(t *testing.T) {
				p, err := meter.Start(b.self, server, j.job)
				if err != nil {
					t.Fatal(err)
				}
				defer p.Stop()
				plan := j.plan
				plan.URL, plan.Duration, plan.Timeout = "ws://"+p.Address+"/", 30*time.Millisecond, 30*time.Second
				if j.job.Cert != "" {
					plan.URL, plan.TLS = "wss://"+p.Address+"/", &tls.Config{InsecureSkipVerify: true}
				}
				if j.job.Fanout {
					plan.Opened = func() { time.Sleep(registered) }
				}
				r, err := load.Run(context.Background(), plan)
				if err != nil {
					t.Fatal(err)
				}
				if !r.OK() || r.Sent == 0 {
					t.Errorf("%d messages sent, %d lost, errors %v", r.Sent, r.Lost, r.Errors)
				}
				if err := p.Collect(); err != nil {
					t.Error(err)
				}
			})
		}
		if done == 0 {
			t.Errorf("%s can do nothing", server.Name)
		}
	}
}
