package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// JUnit's elements, as far as build servers read them.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *junitProblem `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// JUnit writes the report as JUnit XML: a suite for each group of cases. A failed
// case comes with what went over the wire, one that is unsupported counts as skipped, and one that
// was not played as an error. It returns the first error of w.
func (r *Report) JUnit(w io.Writer) error {
	all := junitSuites{Name: "conformance of " + r.Target, Time: seconds(r.Duration)}
	for _, g := range r.groups() {
		suite := junitSuite{Name: g.Name, Tests: len(g.Results) + len(g.Missing), Timestamp: r.Start.UTC().Format("2006-01-02T15:04:05")}
		var took time.Duration
		for _, res := range g.Results {
			took += res.Duration
			c := junitCase{Class: g.Name, Name: res.ID + " " + res.Title, Time: seconds(res.Duration)}
			switch {
			case r.Failed(res):
				var dump strings.Builder
				if err := res.Dump(&dump); err != nil {
					return err
				}
				c.Failure = &junitProblem{Message: res.Reason, Type: res.Section, Text: dump.String()}
				suite.Failures++
			case res.Verdict == conformance.Unsupported:
				c.Skipped = &junitProblem{Message: res.Reason}
				suite.Skipped++
			case res.Reason != "":
				c.Out = res.Verdict.String() + ": " + res.Reason
			}
			suite.Cases = append(suite.Cases, c)
		}
		for _, m := range g.Missing {
			suite.Errors++
			suite.Cases = append(suite.Cases, junitCase{Class: g.Name, Name: m.ID + " " + m.Title, Time: "0",
				Error: &junitProblem{Message: "the case was not played"}})
		}
		suite.Time = seconds(took)
		all.Suites = append(all.Suites, suite)
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", " ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
