package report

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// The form of the JSON. Times are in milliseconds; bytes of the wire are in hex.
type jsonReport struct {
	Tool     string         `json:"tool,omitempty"`
	Role     string         `json:"role"`
	Target   string         `json:"target"`
	Agents   []string       `json:"agents,omitempty"`
	Start    time.Time      `json:"start"`
	Millis   float64        `json:"ms"`
	OK       bool           `json:"ok"`
	Verdicts map[string]int `json:"verdicts"`
	Cases    []jsonCase     `json:"cases"`
}

type jsonCase struct {
	ID       string      `json:"id"`
	Group    string      `json:"group"`
	Title    string      `json:"title"`
	Section  string      `json:"section"`
	Rule     string      `json:"rule"`
	Sends    string      `json:"sends"`
	Expects  string      `json:"expects"`
	Verdict  string      `json:"verdict"` // of conformance.Verdict, or "missing"
	Reason   string      `json:"reason,omitempty"`
	Agent    string      `json:"agent,omitempty"`
	Millis   float64     `json:"ms"`
	Request  string      `json:"request,omitempty"`
	Response string      `json:"response,omitempty"`
	Events   []jsonEvent `json:"events,omitempty"`
}

type jsonEvent struct {
	Millis float64               `json:"ms"` // since the case began
	Dir    conformance.Direction `json:"dir"`
	Text   string                `json:"text"`
	Bytes  int                   `json:"bytes,omitempty"` // on the wire
	Wire   string                `json:"wire,omitempty"`  // the first of them
}

const missing = "missing"

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// JSON writes the report as one JSON object. It returns the first error of w.
func (r *Report) JSON(w io.Writer) error {
	out := jsonReport{
		Tool: r.Tool, Role: r.Role.String(), Target: r.Target, Agents: r.agents(), Start: r.Start,
		Millis: millis(r.Duration), OK: r.OK(), Verdicts: make(map[string]int), Cases: []jsonCase{},
	}
	for v, n := range conformance.Count(r.Results) {
		out.Verdicts[conformance.Verdict(v).String()] = n
	}
	out.Verdicts[missing] = len(r.Missing)
	describe := func(c conformance.Case, verdict string) jsonCase {
		return jsonCase{ID: c.ID, Group: c.Group, Title: c.Title, Section: c.Section, Rule: c.Rule,
			Sends: c.Sends, Expects: c.Expects, Verdict: verdict}
	}
	for _, g := range r.groups() {
		for _, res := range g.Results {
			c := describe(res.Case, res.Verdict.String())
			c.Reason, c.Agent, c.Millis = res.Reason, res.Agent, millis(res.Duration)
			c.Request, c.Response = string(res.Request), string(res.Response)
			for _, e := range res.Events {
				c.Events = append(c.Events, jsonEvent{
					Millis: millis(e.At), Dir: e.Dir, Text: e.Text, Bytes: e.Size, Wire: hex.EncodeToString(e.Wire),
				})
			}
			out.Cases = append(out.Cases, c)
		}
		for _, c := range g.Missing {
			out.Cases = append(out.Cases, describe(c, missing))
		}
	}
	return json.NewEncoder(w).Encode(out)
}
