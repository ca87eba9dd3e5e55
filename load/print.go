package load

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// String is a line such as "3s: 64 open, 101234/s, p50 410µs, p99 1.2ms, no errors".
func (w Window) String() string {
	s := fmt.Sprintf("%3.0fs: %d open", w.At, w.Open)
	if w.Received > 0 {
		s += fmt.Sprintf(", %.0f/s, p50 %s, p99 %s", float64(w.Received)/max(w.Seconds, 1e-9), short(time.Duration(w.P50)), short(time.Duration(w.P99)))
	}
	if w.Errors > 0 {
		s += fmt.Sprintf(", %d errors", w.Errors)
	} else {
		s += ", no errors"
	}
	switch {
	case w.Connecting:
		s += " (connecting)"
	case w.Warmup:
		s += " (warming up)"
	}
	return s
}

// Print writes the report for a person. It returns the first error of w.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("scenario", "%s", r.plan())
	line("measured", "%.1f s%s", r.Seconds, map[bool]string{true: ", stopped before its time"}[r.Stopped])
	line("connections", "%d opened; handshakes %s", r.Opened, r.Handshake)
	seconds := max(r.Seconds, 1e-9)
	unit := "message"
	switch r.Scenario {
	case Upgrade:
		unit = "connection"
		line("made", "%d connections, %.0f/s", r.Received, float64(r.Received)/seconds)
	case Idle:
	case Live:
		unit = "delivery"
		line("joins", "%s", r.Joins)
		line("published", "%d messages, %.0f/s", r.Sent, float64(r.Sent)/seconds)
		line("delivered", "%d times, %.0f/s, %.1f MB/s", r.Received, float64(r.Received)/seconds, float64(r.Bytes)/seconds/1e6)
		line("latency", "%s", r.Latency)
	default:
		line("messages", "%d came back, %.0f/s, %.1f MB/s", r.Received, float64(r.Received)/seconds, float64(r.Bytes)/seconds/1e6)
		line("latency", "%s", r.Latency)
		if r.Compression != "" {
			line("compression", "%s", r.compressed())
		}
	}
	if r.Rate > 0 {
		line("", "the same from when each was really sent: %s", r.Service)
		line("", "the generator itself was late by %s", r.Lag)
	}
	line("errors", "%s", r.faults())
	cpu := fmt.Sprintf("generator %.2f s (%.2f cores%s)", r.CPU, r.CPU/seconds, r.each(r.CPU, unit))
	if r.ServerCPU > 0 {
		cpu += fmt.Sprintf("; server %.2f s (%.2f cores%s)", r.ServerCPU, r.ServerCPU/seconds, r.each(r.ServerCPU, unit))
	}
	line("CPU", "%s", cpu)
	if r.CPU/seconds > 0.9*float64(r.Cores)/2 && r.Rate == 0 && r.Scenario != Idle {
		line("", "The generator was busy: the limit that you see may be its own.")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) each(cpu float64, unit string) string {
	if r.Received == 0 {
		return ""
	}
	return fmt.Sprintf(", %s per %s", short(time.Duration(cpu/float64(r.Received)*1e9)), unit)
}

// plan says in words what the run did.
func (r *Report) plan() string {
	s := fmt.Sprintf("%s, %d connections", r.Scenario, r.Connections)
	switch {
	case r.Scenario == Idle || r.Scenario == Upgrade:
		if r.Compression != "" {
			s += fmt.Sprintf(", compression agreed on (%s)", r.Compression)
		}
		return s
	case r.Scenario == Live:
		if r.Rooms == 1 {
			s += " in one room"
		} else {
			s += fmt.Sprintf(" in %d rooms", r.Rooms)
		}
		if r.Stalled > 0 {
			s += fmt.Sprintf(", of which %d read nothing", r.Stalled)
		}
		if r.Publishers > 1 {
			s += fmt.Sprintf(", %d publishers in each", r.Publishers)
		}
	}
	switch {
	case r.Rate > 0:
		s += fmt.Sprintf(", open loop of %g messages a second", r.Rate)
	default:
		s += fmt.Sprintf(", closed loop with %d in flight", r.Depth)
	}
	s += fmt.Sprintf(", %s bytes", r.Sizes)
	if r.Compression != "" {
		s += fmt.Sprintf(", compressed (%s)", r.Compression)
	}
	return s
}

// compressed says in words what compression did.
func (r *Report) compressed() string {
	s := fmt.Sprintf("%d messages went compressed", r.SentCompressed.Messages)
	if r.SentCompressed.Plain > 0 {
		s += fmt.Sprintf(", at %.1f%% of their size", 100*r.SentCompressed.Ratio())
	}
	if r.ReceivedCompressed.Messages == 0 {
		return s + "; none came back compressed"
	}
	return s + fmt.Sprintf("; %.4g%% came back compressed, at %.1f%%", 100*float64(r.ReceivedCompressed.Messages)/float64(max(1, r.Received)), 100*r.ReceivedCompressed.Ratio())
}

func (r *Report) faults() string {
	if len(r.Errors) == 0 && r.Lost == 0 {
		return "none"
	}
	var parts []string
	for _, why := range slices.Sorted(maps.Keys(r.Errors)) {
		parts = append(parts, fmt.Sprintf("%d × %s", r.Errors[why], why))
	}
	if r.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d messages did not come %s", r.Lost, map[bool]string{true: "to a member", false: "back"}[r.Scenario == Live]))
	}
	return strings.Join(parts, "; ")
}

// String is a line such as "mean 1.2ms, p50 1.1ms, p90 …".
func (l Latency) String() string {
	if l.Count == 0 {
		return "none"
	}
	d := func(ns int64) string { return short(time.Duration(ns)) }
	return fmt.Sprintf("mean %s, p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", d(int64(l.Mean)), d(l.P50), d(l.P90), d(l.P99), d(l.P999), d(l.Max))
}

// OK tells whether there were no errors and nothing was lost.
func (r *Report) OK() bool { return len(r.Errors) == 0 && r.Lost == 0 }

// JSON writes the report as one JSON object. It returns the first error of w.
func (r *Report) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// maxReport bounds what Read takes in.
const maxReport = 64 << 20

// Read reads what JSON has written.
func Read(rd io.Reader) (*Report, error) {
	var r Report
	if err := json.NewDecoder(io.LimitReader(rd, maxReport)).Decode(&r); err != nil {
		return nil, fmt.Errorf("load: no report: %w", err)
	}
	if r.Scenario == "" || r.Windows == nil {
		return nil, fmt.Errorf("load: this JSON is no report of a run")
	}
	return &r, nil
}
