package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/bench/servers"
	"github.com/tidewire/tidewire/load"
)

// cell is a workload with a server and what was measured there.
type cell struct {
	server  servers.Server
	samples []sample
	failed  error // the first failure
}

// table is a workload with all its servers.
type table struct {
	workload
	cells []*cell
}

// schedule is which runs there are, and how long they take.
type schedule struct {
	tables []*table
	rounds int
	length length
	fixed  bool // the length was asked for
	until  time.Time

	// seen over expected is how far the guesses of what surrounds the measuring are off.
	seen, expected time.Duration
}

const (
	shortest = 250 * time.Millisecond // that a run may measure
	longest  = 1500 * time.Millisecond
	warmup   = 200 * time.Millisecond
	counted  = 100 * time.Millisecond
)

// newSchedule fits the runs into the time, by fewer rounds if it must be.
func newSchedule(tables []*table, rounds int, budget time.Duration, counting bool) *schedule {
	s := &schedule{tables: tables, length: length{warmup: warmup}, until: time.Now().Add(budget)}
	if counting {
		s.length.count = counted
	}
	s.rounds = rounds
	s.catchUp(tables, 0, budget)
	return s
}

// roundsOf is how many rounds a table has.
func (s *schedule) roundsOf(t *table) int {
	if t.rounds > 0 {
		return min(t.rounds, s.rounds)
	}
	return s.rounds
}

// around is a guess of what a run takes beside the measuring: its processes and connections.
func (s *schedule) around(w workload) time.Duration {
	each := 100 * time.Microsecond
	if w.memory {
		each += 140 * time.Microsecond
	}
	if w.tls {
		each += 600 * time.Microsecond
	}
	d := 120*time.Millisecond + time.Duration(w.plan.Connections)*each
	if s.expected > 0 {
		d = time.Duration(float64(d) * float64(s.seen) / float64(s.expected))
	}
	return d
}

// lengthOf is how long the parts of a run take. The calls are counted in the first round.
func (s *schedule) lengthOf(t *table, round int) length {
	l := s.length
	l.measure *= time.Duration(max(1, t.weight))
	if round > 0 || t.silent {
		l.count = 0
	}
	return l
}

// need is what the runs of the tables take beside the measuring, from a round of the first one on, and how many
// lengths of measuring they have.
func (s *schedule) need(tables []*table, round int) (fixed time.Duration, lengths int) {
	for _, t := range tables {
		for ; round < s.roundsOf(t); round++ {
			d := s.around(t.workload)
			if l := s.lengthOf(t, round); !t.memory {
				lengths += max(1, t.weight) * len(t.cells)
				if d += l.warmup; l.count > 0 {
					d += l.count + s.around(t.workload) // the connections once more
				}
				if t.stalled > 0 { // twice more
					lengths += 2 * max(1, t.weight) * len(t.cells)
					d += 2 * (l.warmup + s.around(t.workload))
				}
			}
			fixed += d * time.Duration(len(t.cells))
		}
		round = 0
	}
	return fixed, lengths
}

// fit is how long each run may measure in the time that is left.
func (s *schedule) fit(tables []*table, round int, left time.Duration) time.Duration {
	fixed, lengths := s.need(tables, round)
	return min(max((left-fixed)/time.Duration(max(1, lengths)), shortest), longest)
}

// runs is how many there are.
func (s *schedule) runs(tables []*table) (n int) {
	for _, t := range tables {
		n += s.roundsOf(t) * len(t.cells)
	}
	return n
}

// takes is how long they take, by the guesses.
func (s *schedule) takes() time.Duration {
	fixed, lengths := s.need(s.tables, 0)
	return fixed + s.length.measure*time.Duration(lengths)
}

// watcher is told how far a schedule is.
type watcher struct {
	before func(*table, *cell)
	after  func()
	ended  func(t *table, left int) // so many runs are left
}

// run does all runs: for each workload the servers in turn, and that as often as there are rounds.
func (s *schedule) run(ctx context.Context, b *bench, w watcher) error {
	for i, t := range s.tables {
		for round := 0; ; round++ {
			if !s.fixed {
				s.catchUp(s.tables[i:], round, time.Until(s.until))
			}
			if round >= s.roundsOf(t) {
				break
			}
			for _, c := range t.cells {
				w.before(t, c)
				l, expected := s.lengthOf(t, round), s.around(t.workload)
				begun := time.Now()
				got, err := b.run(ctx, t.workload, c.server, l)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				w.after()
				if err != nil {
					c.failed = cmp.Or(c.failed, fmt.Errorf("%s with %s: %w", t.name, c.server.Name, err))
					continue
				}
				c.samples = append(c.samples, got)
				took := time.Since(begun)
				if !t.memory {
					took -= l.warmup + l.measure + l.count
				}
				if t.stalled > 0 {
					took -= 2 * (l.warmup + l.measure)
					expected *= 3
				}
				if l.count > 0 && !t.memory {
					expected *= 2
				}
				s.note(took, expected)
			}
		}
		w.ended(t, s.runs(s.tables[i+1:]))
	}
	return nil
}

// catchUp fits what is left to do into the time that is left: by shorter runs, and then by fewer rounds.
func (s *schedule) catchUp(tables []*table, round int, left time.Duration) {
	for ; ; s.rounds-- {
		s.length.measure = s.fit(tables, round, left)
		fixed, lengths := s.need(tables, round)
		if s.rounds == 1 || fixed+s.length.measure*time.Duration(lengths) <= left {
			return
		}
	}
}

// note learns from what a run took beside the measuring.
func (s *schedule) note(took, expected time.Duration) {
	if s.expected > 0 { // the guess was corrected already
		expected = time.Duration(float64(expected) * float64(s.expected) / float64(s.seen))
	}
	s.seen += took
	s.expected += expected
}

// tablesOf are the workloads that were chosen, or without a choice all but those of live, with the chosen servers that can do them.
func tablesOf(only, names string, quick bool, missing map[string]error) (tables []*table) {
	for _, w := range slices.Concat(workloads(), liveWorkloads()) {
		if !chosen(only, w.name) || w.job.Live && only == "" || quick && w.long && only == "" {
			continue
		}
		t := &table{workload: w}
		job := w.job
		if w.tls {
			job.Cert = "some"
		}
		for _, server := range servers.All() {
			wanted := chosenServer(names, server.Name) && !(quick && names == "" && slow[server.Name])
			if wanted && server.Can(job) && missing[server.Name] == nil && worthwhile(w, server) {
				t.cells = append(t.cells, &cell{server: server})
			}
		}
		if len(t.cells) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

// slow are left out of a quick run: variants of what is there anyway.
var slow = map[string]bool{"ours-messages": true, "floor-conn": true, "gobwas-batch": true, "xnet": true, "nbio": true}

// worthwhile leaves out where a variant of a server does exactly what the other does.
func worthwhile(w workload, server servers.Server) bool {
	switch server.Name {
	case "gobwas-batch": // one message in flight leaves nothing to gather
		return w.plan.Depth > 1
	case "floor-conn":
		return w.plan.Scenario != load.Upgrade
	}
	return true
}
