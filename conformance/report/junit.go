package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// junitCounts are what JUnit counts of a suite.
type junitCounts struct{ tests, failures, errors, skipped int }

func (c *junitCounts) add(d junitCounts) {
	c.tests += d.tests
	c.failures += d.failures
	c.errors += d.errors
	c.skipped += d.skipped
}

func (c junitCounts) String() string {
	return fmt.Sprintf(`tests="%d" failures="%d" errors="%d" skipped="%d"`, c.tests, c.failures, c.errors, c.skipped)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// escaped is text as XML has it. Package xml's Encoder would do all of this, and brings 80 KB along.
func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // into memory
	return b.String()
}

// JUnit writes the report as JUnit XML, as far as build servers read it: a suite for each group of cases. A failed
// case comes with what went over the wire, one that is unsupported counts as skipped, and one that
// was not played as an error. It returns the first error of w.
func (r *Report) JUnit(w io.Writer) error {
	var all junitCounts
	var suites strings.Builder
	for _, g := range r.groups() {
		counts := junitCounts{tests: len(g.Results) + len(g.Missing)}
		var took time.Duration
		var cases strings.Builder
		begin := func(c conformance.Case, d time.Duration) {
			fmt.Fprintf(&cases, "  <testcase classname=\"%s\" name=\"%s\" time=\"%s\">\n", escaped(g.Name), escaped(c.ID+" "+c.Title), seconds(d))
		}
		for _, res := range g.Results {
			took += res.Duration
			begin(res.Case, res.Duration)
			switch {
			case r.Failed(res):
				var dump strings.Builder
				if err := res.Dump(&dump); err != nil {
					return err
				}
				fmt.Fprintf(&cases, "   <failure message=\"%s\" type=\"%s\">%s</failure>\n", escaped(res.Reason), escaped(res.Section), escaped(dump.String()))
				counts.failures++
			case res.Verdict == conformance.Unsupported:
				fmt.Fprintf(&cases, "   <skipped message=\"%s\"></skipped>\n", escaped(res.Reason))
				counts.skipped++
			case res.Reason != "":
				fmt.Fprintf(&cases, "   <system-out>%s</system-out>\n", escaped(res.Verdict.String()+": "+res.Reason))
			}
			cases.WriteString("  </testcase>\n")
		}
		for _, m := range g.Missing {
			begin(m, 0)
			cases.WriteString("   <error message=\"the case was not played\"></error>\n  </testcase>\n")
			counts.errors++
		}
		fmt.Fprintf(&suites, " <testsuite name=\"%s\" %v time=\"%s\" timestamp=\"%s\">\n%s </testsuite>\n",
			escaped(g.Name), counts, seconds(took), r.Start.UTC().Format("2006-01-02T15:04:05"), cases.String())
		all.add(counts)
	}
	_, err := fmt.Fprintf(w, "%s<testsuites name=\"%s\" %v time=\"%s\">\n%s</testsuites>\n",
		xml.Header, escaped("conformance of "+r.Target), all, seconds(r.Duration), suites.String())
	return err
}
