package main

import (
	"slices"
	"strings"

	"github.com/tidewire/tidewire/bench/servers"
	"github.com/tidewire/tidewire/load"
)

// workload is what the servers are compared at.
type workload struct {
	name  string // on the command line
	title string
	unit  string // what the CPU time is told for
	plan  load.Plan
	job   servers.Job
	tls   bool

	memory bool // what is measured is the memory of idle connections
	rounds int  // at most; 0 means as many as there are
	weight int  // of its runs' length; 0 means 1
	silent bool // system calls are not counted: another workload has them
	long   bool // left out of a quick run

	stalled int // connections that read nothing in a second run, which shows what that costs the others
}

// idleMany is how many idle connections there are: a few less than a process here may have descriptors.
const idleMany = 19_500

func workloads() []workload {
	echo := func(name, title string, connections, depth int) workload {
		return workload{name: name, title: title, unit: "message", plan: load.Plan{Connections: connections, Depth: depth}}
	}
	sized := func(w workload, bytes int) workload {
		w.plan.Sizes = load.Sizes{{Bytes: bytes, Weight: 1}}
		return w
	}
	deflate := func(w workload, takeover bool) workload {
		w = sized(w, 1<<10)
		w.job.Deflate, w.job.Takeover = true, takeover
		if w.plan.Compression = load.NoTakeover; takeover {
			w.plan.Compression = load.Takeover
		}
		return w
	}
	fanout := func(name, title string, connections, depth int) workload {
		w := workload{name: name, title: title, unit: "delivery", plan: load.Plan{Scenario: load.Fanout, Connections: connections, Depth: depth}}
		w.job.Fanout = true
		return w
	}
	idle := func(name, title string, connections int) workload {
		return workload{name: name, title: title, unit: "connection", plan: load.Plan{Connections: connections}, memory: true, rounds: 1}
	}
	mass := echo("echo-10000", "Echo, 125 B, 10,000 connections, one message in flight each", 10_000, 1)
	mass.rounds, mass.weight, mass.silent, mass.long = 2, 3, true, true
	secure := idle("idle-tls", "Memory per idle connection with TLS, 2,500 connections", 2500)
	secure.tls = true
	many := idle("idle-19500", "Memory per idle connection, 19,500 connections", idleMany)
	many.long = true
	crowd := fanout("fanout-5000", "Fan-out, 125 B, to 5,000 connections, one message at a time", 5000, 1)
	crowd.rounds, crowd.long = 2, true
	flood := fanout("stream-5000", "Fan-out, 125 B, to 5,000 connections, 16 messages in flight", 5000, 16)
	flood.rounds, flood.long = 2, true
	return []workload{
		echo("echo-1", "Echo, 125 B, 1 connection, one message in flight", 1, 1),
		echo("echo-64", "Echo, 125 B, 64 connections, one message in flight each", 64, 1),
		echo("echo-1000", "Echo, 125 B, 1,000 connections, one message in flight each", 1000, 1),
		mass,
		echo("pipelined", "Pipelined echo, 125 B, 64 connections, 32 messages in flight each", 64, 32),
		sized(echo("large-64k", "Echo, 64 KiB, 16 connections, one message in flight each", 16, 1), 64<<10),
		sized(echo("large-1m", "Echo, 1 MiB, 4 connections, one message in flight each", 4, 1), 1<<20),
		deflate(echo("deflate-fresh", "Compressed echo, 1 KiB, no context takeover, 64 connections", 64, 1), false),
		deflate(echo("deflate-takeover", "Compressed echo, 1 KiB, with context takeover, 64 connections", 64, 1), true),
		{name: "upgrade", title: "Upgrade and close, 64 at once", unit: "connection", plan: load.Plan{Scenario: load.Upgrade, Connections: 64}},
		fanout("fanout-1000", "Fan-out, 125 B, to 1,000 connections, one message at a time", 1000, 1),
		crowd,
		fanout("stream-1000", "Fan-out, 125 B, to 1,000 connections, 16 messages in flight", 1000, 16),
		flood,
		idle("idle-1000", "Memory per idle connection, 1,000 connections", 1000),
		many,
		secure,
	}
}

// liveWorkloads are those of rooms. They have a page of their own.
func liveWorkloads() []workload {
	const sessions = 5000
	rooms := func(name, title string, p load.Plan) workload {
		p.Scenario = load.Live
		return workload{name: "live-" + name, title: title, unit: "delivery", plan: p, job: servers.Job{Live: true}, rounds: 3}
	}
	apart := rooms("500-100", "5,000 sessions in 500 rooms, 100 publishes a second", load.Plan{Connections: sessions, Rooms: 500, Rate: 100})
	apart.weight, apart.rounds = 3, 5
	stall := rooms("stall", "500 sessions in one room, 100 publishes of 4 KiB a second; then with 10 more that read nothing, and again without",
		load.Plan{Connections: 500, Rate: 100, Sizes: load.Sizes{{Bytes: 4 << 10, Weight: 1}}})
	stall.weight, stall.stalled, stall.silent, stall.rounds = 2, 10, true, 7
	return []workload{
		rooms("1-100", "5,000 sessions in one room, 100 publishes a second", load.Plan{Connections: sessions, Rate: 100}),
		// 64 is as many as the hub takes from one session by default.
		rooms("1-flat", "5,000 sessions in one room, flat out, 64 messages in flight", load.Plan{Connections: sessions, Depth: 64}),
		rooms("1-flat-16", "5,000 sessions in one room, flat out, 16 messages in flight", load.Plan{Connections: sessions, Depth: 16}),
		apart,
		rooms("500-flat", "5,000 sessions in 500 rooms, flat out, 64 messages in flight in each", load.Plan{Connections: sessions, Rooms: 500, Depth: 64}),
		rooms("500-flat-16", "5,000 sessions in 500 rooms, flat out, 16 messages in flight in each", load.Plan{Connections: sessions, Rooms: 500, Depth: 16}),
		stall,
	}
}

// chosen tells whether a comma-separated list has the name, or what stands before a dash of it; an empty list has all.
func chosen(list string, name string) bool {
	return list == "" || slices.ContainsFunc(strings.Split(list, ","), func(want string) bool {
		return name == want || strings.HasPrefix(name, want+"-")
	})
}
