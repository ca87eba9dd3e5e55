package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
	"github.com/tidewire/tidewire/conformance/report"
)

// evil is what a peer might say to whoever reads a report.
const evil = "</pre><script>alert(1)</script>\x1b[2J\x00\xff]]>"

func sample() *report.Report {
	result := func(id, group string, v conformance.Verdict, reason string) conformance.Result {
		return conformance.Result{
			Case: conformance.Case{ID: id, Group: group, Title: "title of " + id, Section: "RFC 6455 5.5", Rule: "a rule",
				Sends: "a frame", Expects: "another"},
			Role: conformance.Server, Verdict: v, Reason: reason, Request: []byte("GET / HTTP/1.1\r\n\r\n"), Response: []byte(evil),
			Duration: 1500 * time.Microsecond,
			Events: []conformance.Event{
				{At: 250 * time.Microsecond, Dir: conformance.Sent, Text: `text "Hello"`, Wire: []byte("\x81\x05Hello"), Size: 7},
				{At: time.Millisecond, Dir: conformance.Received, Text: evil, Wire: []byte(evil), Size: 4000},
				{At: time.Millisecond, Dir: conformance.Noted, Text: "a remark"},
			},
		}
	}
	long := result("2.1", "Pings", conformance.Pass, "")
	for range 40 {
		long.Events = append(long.Events, conformance.Event{Text: "more", Wire: make([]byte, 190)})
	}
	r := &report.Report{
		Tool: "tidewire test", Role: conformance.Server, Target: "ws://127.0.0.1:1/" + evil, Duration: 2 * time.Second,
		Start: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC),
		Results: []conformance.Result{
			result("1.1", "Framing", conformance.Pass, ""),
			result("1.2", "Framing", conformance.Fail, evil),
			long,
			result("2.2", "Pings", conformance.NotStrict, "lax"),
			result("2.3", "Pings", conformance.Unsupported, "no compression"),
			result("2.4", "Pings", conformance.Informational, "it closes"),
		},
		Missing: []conformance.Case{{ID: "3.1", Group: "Bits", Title: "title of 3.1", Rule: "a rule"}},
	}
	r.Results[1].Agent = "agent " + evil
	return r
}

func write(t *testing.T, f func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	for n := range b.Len() {
		if n%(1+b.Len()/20) == 0 {
			if err := f(&full{n}); !errors.Is(err, io.ErrShortWrite) {
				t.Fatalf("a writer that is full after %d bytes: %v", n, err)
			}
		}
	}
	return b.String()
}

// full takes n bytes.
type full struct{ n int }

func (f *full) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestOK(t *testing.T) {
	r := sample()
	r.Missing = nil
	for name, tc := range map[string]struct {
		change func()
		ok     bool
	}{
		"a failure":       {func() {}, false},
		"not strict":      {func() { r.Results[1].Verdict = conformance.Pass }, true},
		"strict":          {func() { r.Strict = true }, false},
		"all pass":        {func() { r.Results = r.Results[:1] }, true},
		"one is missing":  {func() { r.Missing = make([]conformance.Case, 1) }, false},
		"nothing at all":  {func() { r.Results = nil }, true},
		"a failure again": {func() {}, false},
	} {
		r = sample()
		r.Missing = nil
		if name == "strict" {
			r.Results = r.Results[3:]
		}
		tc.change()
		if r.OK() != tc.ok {
			t.Errorf("%s: OK is %v", name, r.OK())
		}
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Tool, Role, Target, Start string
		Agents                    []string
		OK                        bool
		MS                        float64
		Verdicts                  map[string]int
		Cases                     []struct {
			ID, Group, Title, Section, Rule, Sends, Expects, Verdict, Reason, Agent, Request, Response string
			MS                                                                                         float64
			Events                                                                                     []struct {
				MS              float64
				Dir, Text, Wire string
				Bytes           int
			}
		}
	}
	d := json.NewDecoder(strings.NewReader(write(t, sample().JSON)))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.OK || got.Role != "server" || got.MS != 2000 || got.Start != "2026-11-26T10:00:00Z" || len(got.Agents) != 1 {
		t.Errorf("%+v", got)
	}
	for verdict, n := range map[string]int{"pass": 2, "fail": 1, "not strict": 1, "unsupported": 1, "informational": 1, "missing": 1} {
		if got.Verdicts[verdict] != n {
			t.Errorf("%d %s", got.Verdicts[verdict], verdict)
		}
	}
	if len(got.Cases) != 7 || got.Cases[6].ID != "3.1" || got.Cases[6].Verdict != "missing" {
		t.Fatalf("%d cases", len(got.Cases))
	}
	c := got.Cases[1]
	if c.Verdict != "fail" || c.MS != 1.5 || len(c.Events) != 3 || c.Events[0].Wire != "810548656c6c6f" || c.Events[0].MS != 0.25 ||
		c.Events[1].Dir != "received" || c.Events[1].Bytes != 4000 {
		t.Errorf("%+v", c)
	}
}

func TestJUnit(t *testing.T) {
	for _, strict := range []bool{false, true} {
		r := sample()
		r.Strict = strict
		var got struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
			Suites   []struct {
				Name  string `xml:"name,attr"`
				Tests int    `xml:"tests,attr"`
				Cases []struct {
					Name    string `xml:"name,attr"`
					Failure *struct {
						Message string `xml:"message,attr"`
						Text    string `xml:",chardata"`
					} `xml:"failure"`
					Error *struct{} `xml:"error"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		text := write(t, r.JUnit)
		if err := xml.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		failures := 1
		if strict {
			failures = 2
		}
		if got.Tests != 7 || got.Failures != failures || got.Errors != 1 || got.Skipped != 1 || len(got.Suites) != 3 {
			t.Errorf("%+v", got)
		}
		if s := got.Suites[0]; s.Name != "1 Framing" || s.Tests != 2 || s.Cases[1].Failure == nil ||
			!strings.Contains(s.Cases[1].Failure.Text, "00000000  81 05 48 65 6c 6c 6f") {
			t.Errorf("%+v", s)
		}
		if strings.ContainsAny(text, "\x00\x1b") {
			t.Error("control characters are in the XML")
		}
	}
}

func TestHTML(t *testing.T) {
	text := write(t, sample().HTML)
	for _, want := range []string{
		"Not everything passed.", `<b>1</b> not strict`, `id="1.2"`, `class="fail"`, "00000000  81 05 48 65 6c 6c 6f", "0.250 ms",
		"and 31 more; the JSON report has them", "This case was not played.", "agent &lt;/pre&gt;", "2 Pings", "tidewire test",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(text, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	if m := regexp.MustCompile(`(?i)(src|href|url|@import)\s*[=(]\s*["']?(https?:|//)`).FindString(text); m != "" {
		t.Errorf("the page loads something: %s", m)
	}
	if strings.ContainsAny(text, "\x00\x1b") {
		t.Error("control characters are in the page")
	}
	r := sample()
	r.Results, r.Missing = r.Results[:1], nil
	if text := write(t, r.HTML); !strings.Contains(text, "Every case was played and none failed.") {
		t.Error("a good run does not say so")
	}
}

// A peer with long handshakes does not make a page that no browser opens.
func TestHTMLOfLongHandshakes(t *testing.T) {
	r := sample()
	for i := range r.Results {
		r.Results[i].Response = []byte("HTTP/1.1 101 \r\nX: " + strings.Repeat("x", 60<<10) + "\r\n\r\n")
	}
	if text := write(t, r.HTML); len(text) > 100<<10 || !strings.Contains(text, "x… and 57366 more bytes; the JSON report has them") {
		t.Errorf("the page has %d bytes", len(text))
	}
}
