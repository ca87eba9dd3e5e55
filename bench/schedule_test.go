package main

import (
	"errors"
	"testing"
	"time"
)

// What a schedule plans stays within its budget, unless even the least does not.
func TestScheduleFits(t *testing.T) {
	for _, tc := range []struct {
		only, servers string
		quick         bool
		budget        time.Duration
	}{
		{"", "", false, 20 * time.Minute},
		{"", "", false, 10 * time.Minute},
		{"", "", true, 2 * time.Minute},
		{"echo", "ours,gorilla", false, 30 * time.Second},
	} {
		s := newSchedule(tablesOf(tc.only, tc.servers, tc.quick, nil), 5, tc.budget, true)
		if takes := s.takes(); takes > tc.budget || s.rounds < 1 {
			t.Errorf("%+v: %d rounds take %v", tc, s.rounds, takes)
		}
		if s.length.measure < shortest || s.length.measure > longest {
			t.Errorf("%+v: a run measures %v", tc, s.length.measure)
		}
	}
	s := newSchedule(tablesOf("", "", false, nil), 3, time.Second, true)
	if s.rounds != 1 || s.length.measure != shortest {
		t.Errorf("without time there are %d rounds of %v", s.rounds, s.length.measure)
	}
	before := s.takes()
	s.note(2*time.Second, time.Second)
	if s.takes() <= before {
		t.Error("runs that took longer than expected change nothing")
	}
}

func TestTablesOf(t *testing.T) {
	all := tablesOf("", "", false, nil)
	if len(all) != len(workloads()) {
		t.Errorf("%d tables of %d workloads", len(all), len(workloads()))
	}
	for _, table := range all {
		for _, c := range table.cells {
			if c.server.Name == "melody" && !table.job.Fanout || c.server.Name == "gorilla" && table.job.Takeover {
				t.Errorf("%s has %s", table.name, c.server.Name)
			}
		}
	}
	some := tablesOf("fanout,echo-64", "ours,floors", false, map[string]error{"floor-raw": errors.New("missing")})
	if len(some) != 3 {
		t.Errorf("%d tables", len(some))
	}
	for _, c := range some[0].cells {
		if name := c.server.Name; name != "ours" && name != "floor-conn" && name != "floor-epoll" {
			t.Errorf("%s was not chosen", name)
		}
	}
}
