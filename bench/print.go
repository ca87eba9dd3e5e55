package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// row is a server's figures: medians over the rounds.
type row struct {
	*cell
	sample
	spread float64 // of the CPU time, or of the memory after a collection
}

// rows are the servers that were measured.
func (t *table) rows() (rows []row) {
	for _, c := range t.cells {
		if len(c.samples) == 0 {
			continue
		}
		r := row{cell: c}
		middle := func(of func(sample) float64) float64 {
			var values []float64
			for _, s := range c.samples {
				values = append(values, of(s))
			}
			m, spread := median(values)
			r.spread = spread
			return m
		}
		r.Rate = middle(func(s sample) float64 { return s.Rate })
		r.P50 = middle(func(s sample) float64 { return s.P50 })
		r.P99 = middle(func(s sample) float64 { return s.P99 })
		r.Load = middle(func(s sample) float64 { return s.Load })
		for _, s := range c.samples {
			if s.Counted { // once is enough: they hardly differ
				r.Counted, r.Reads, r.Writes, r.Calls = true, s.Reads, s.Writes, s.Calls
			}
		}
		r.Open = middle(func(s sample) float64 { return s.Open })
		r.Collected = middle(func(s sample) float64 { return s.Collected })
		r.Used = middle(func(s sample) float64 { return s.Used })
		r.Stalled = middle(func(s sample) float64 { return s.Stalled })
		r.Calm = middle(func(s sample) float64 { return s.Calm })
		r.Moved = middle(func(s sample) float64 { return s.Moved })
		if !t.memory {
			r.CPU = middle(func(s sample) float64 { return s.CPU })
		}
		rows = append(rows, r)
	}
	return rows
}

// main is the workload's main figure.
func (t *table) main(r row) float64 {
	if t.memory {
		return r.Used
	}
	return r.CPU
}

// floor is the epoll floor's main figure, and rival the best one of another library's; 0 where there is none.
func (t *table) marks(rows []row) (floor, rival float64) {
	for _, r := range rows {
		v := t.main(r)
		switch {
		case r.server.Name == "floor-epoll":
			floor = v
		case !r.server.Floor && !r.server.Ours && v > 0 && (rival == 0 || v < rival):
			rival = v
		}
	}
	return floor, rival
}

// ratio is a figure over a mark.
func ratio(v, mark float64) string {
	if mark <= 0 || v <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v/mark)
}

// micro is a time in microseconds, with three digits.
func micro(seconds float64) string { return digits(seconds * 1e6) }

func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// brief is a duration as a person reads it.
func brief(seconds float64) string {
	d := time.Duration(seconds * 1e9)
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

var plural = map[string]string{"message": "messages", "delivery": "deliveries", "connection": "connections"}

// header and fields are the columns.
func (t *table) header() []string {
	if t.memory {
		return []string{"server", "open, B", "after a message, B", "after a collection, B", "× epoll floor", "× best rival"}
	}
	if t.job.Live {
		head := []string{"server", "CPU µs/" + t.unit, "±", "× best rival", "reads", "writes", "calls", plural[t.unit] + "/s", "p50", "p99"}
		if t.stalled > 0 {
			head = append(head, fmt.Sprintf("p99, %d stalled", t.stalled), "p99, none", "moved")
		}
		return head
	}
	return []string{"server", "CPU µs/" + t.unit, "±", "× epoll floor", "× best rival", "reads", "writes", "calls", plural[t.unit] + "/s", "p50", "p99"}
}

func (t *table) fields(r row, floor, rival float64) []string {
	v := t.main(r)
	if t.memory {
		return []string{r.server.Title, fmt.Sprintf("%.0f", r.Open), fmt.Sprintf("%.0f", r.Used), fmt.Sprintf("%.0f", r.Collected),
			ratio(v, floor), ratio(v, rival)}
	}
	calls := []string{"", "", ""}
	if r.Counted {
		calls = []string{digits(r.Reads), digits(r.Writes), digits(r.Calls)}
	}
	f := []string{r.server.Title, micro(r.CPU), fmt.Sprintf("%.0f%%", 100*r.spread)}
	if !t.job.Live {
		f = append(f, ratio(v, floor))
	}
	f = append(append(append(f, ratio(v, rival)), calls...), fmt.Sprintf("%.0f", r.Rate), brief(r.P50), brief(r.P99))
	if t.stalled > 0 {
		f = append(f, brief(r.Stalled), brief(r.Calm), fmt.Sprintf("%+.0f%%", 100*(r.Moved-1)))
	}
	return f
}

// print writes the table for a terminal.
func (t *table) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s (%s)\n", t.title, t.name)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(fields []string) {
		for _, f := range fields {
			fmt.Fprintf(w, "%s\t", f)
		}
		fmt.Fprintln(w)
	}
	line(t.header())
	rows := t.rows()
	floor, rival := t.marks(rows)
	for _, r := range rows {
		line(t.fields(r, floor, rival))
	}
	return w.Flush()
}
