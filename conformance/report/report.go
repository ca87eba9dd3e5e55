// Package report writes down what a run of the conformance cases has found: as
// a page for people, and as JUnit XML and JSON for machines.
package report

import (
	"strings"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// Report is one run. Its methods may be called from several goroutines while
// nobody changes it.
type Report struct {
	Tool     string           // what made it, such as "tidewire v1.2.0"; may be empty
	Role     conformance.Role // the side that was under test
	Target   string           // the URL of a server, or the address that a client came to
	Start    time.Time
	Duration time.Duration
	// Results is what the Runner returned.
	Results []conformance.Result
	// Missing holds the cases that were selected and not played.
	Missing []conformance.Case
	// Strict counts what is not strict as a failure.
	Strict bool
}

// Failed tells whether a result counts as a failure.
func (r *Report) Failed(res conformance.Result) bool {
	return res.Verdict == conformance.Fail || r.Strict && res.Verdict == conformance.NotStrict
}

// OK tells whether every case was played and none failed.
func (r *Report) OK() bool {
	for _, res := range r.Results {
		if r.Failed(res) {
			return false
		}
	}
	return len(r.Missing) == 0
}

// agents names the clients that gave themselves a name, in the order of their
// first case.
func (r *Report) agents() []string {
	var all []string
	seen := make(map[string]bool)
	for _, res := range r.Results {
		if res.Agent != "" && !seen[res.Agent] {
			seen[res.Agent] = true
			all = append(all, res.Agent)
		}
	}
	return all
}

// group is the results, and the cases that are missing, of one group of cases.
type group struct {
	Name    string // with its number, such as "6 UTF-8"
	Results []conformance.Result
	Missing []conformance.Case
}

// groups divides the report, in the order of the cases.
func (r *Report) groups() []*group {
	var all []*group
	byName := make(map[string]*group)
	of := func(c conformance.Case) *group {
		g := byName[c.Group]
		if g == nil {
			number, _, _ := strings.Cut(c.ID, ".")
			g = &group{Name: number + " " + c.Group}
			byName[c.Group] = g
			all = append(all, g)
		}
		return g
	}
	for _, res := range r.Results {
		g := of(res.Case)
		g.Results = append(g.Results, res)
	}
	for _, c := range r.Missing {
		g := of(c)
		g.Missing = append(g.Missing, c)
	}
	return all
}
