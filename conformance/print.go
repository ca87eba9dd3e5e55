package conformance

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// Counts is how many results have each verdict.
type Counts [len(verdictNames)]int

// Count counts results by their verdict: Count(results)[conformance.Fail].
func Count(results []Result) Counts {
	var n Counts
	for _, r := range results {
		n[r.Verdict]++
	}
	return n
}

// String is a line such as "510 pass, 4 not strict, 0 fail, 3 unsupported, 2 informational".
func (n Counts) String() string {
	var parts []string
	for v, k := range n {
		parts = append(parts, fmt.Sprintf("%d %v", k, Verdict(v)))
	}
	return strings.Join(parts, ", ")
}

// Print writes a table with a line per group and, below it, a line for
// each case that did not pass. It returns the first error of w.
func Print(w io.Writer, results []Result) error {
	var b strings.Builder
	var groups []string
	byGroup := make(map[string][]Result)
	for _, r := range results {
		if _, seen := byGroup[r.Group]; !seen {
			groups = append(groups, r.Group)
		}
		byGroup[r.Group] = append(byGroup[r.Group], r)
	}
	fmt.Fprintf(&b, "%-28s %6s %6s %6s %6s %6s %9s\n", "group", "pass", "lax", "fail", "unsup", "info", "seconds")
	line := func(name string, rs []Result) {
		var took time.Duration
		for _, r := range rs {
			took += r.Duration
		}
		n := Count(rs)
		fmt.Fprintf(&b, "%-28s %6d %6d %6d %6d %6d %9.2f\n", name, n[Pass], n[NotStrict], n[Fail], n[Unsupported], n[Informational], took.Seconds())
	}
	for _, g := range groups {
		number, _, _ := strings.Cut(byGroup[g][0].ID, ".")
		line(fmt.Sprintf("%2s %s", number, g), byGroup[g])
	}
	line("all", results)
	for _, r := range results {
		if r.Verdict != Pass {
			fmt.Fprintf(&b, "%-13s %-8s %s: %s (%s)\n", r.Verdict, r.ID, r.Title, printable(r.Reason), r.Section)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Dump writes all that is known of one result: the rule, what was sent and expected,
// the verdict, and what went over the wire, with times and in hex. It returns the first error of w.
func (r Result) Dump(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "case %s: %s\n", r.ID, r.Title)
	fmt.Fprintf(&b, "rule:     %s (%s)\n", r.Rule, r.Section)
	fmt.Fprintf(&b, "sends:    %s\nexpects:  %s\n", r.Sends, r.Expects)
	fmt.Fprintf(&b, "verdict:  %v for the %v, after %v", r.Verdict, r.Role, r.Duration.Round(10*time.Microsecond))
	if r.Reason != "" {
		fmt.Fprintf(&b, "\nreason:   %s", printable(r.Reason))
	}
	b.WriteByte('\n')
	for _, e := range r.Events {
		mark := map[Direction]string{Sent: "→", Received: "←", Noted: "·"}[e.Dir]
		fmt.Fprintf(&b, "%10.3f ms %s %s", float64(e.At.Microseconds())/1000, mark, printable(e.Text))
		if e.Size > 0 {
			fmt.Fprintf(&b, " [%d bytes]", e.Size)
		}
		b.WriteByte('\n')
		for dump := range strings.Lines(hex.Dump(e.Wire)) {
			b.WriteString("              " + dump)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
