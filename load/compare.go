package load

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Change is one figure of two runs.
type Change struct {
	Name string
	Unit string // "ns", "/s", "B" or ""
	A, B float64
	// Noise is how far apart A and B may be by chance, relative to A: three standard errors of
	// their difference, as the seconds of each run scatter. 0 where that is not known.
	Noise float64
	// Moved tells that the difference is beyond the noise, and more than 1%.
	Moved bool
	// Better tells whether B is, if it moved.
	Better bool
}

// Relative is B's difference from A, relative to A.
func (c Change) Relative() float64 {
	if c.A == 0 {
		return 0
	}
	return (c.B - c.A) / c.A
}

// Compare holds two runs against each other. It is for runs of the same plan; differences
// in the plan are returned as text.
func Compare(a, b *Report) (changes []Change, differences []string) {
	differ := func(what string, x, y any) {
		if fmt.Sprint(x) != fmt.Sprint(y) {
			differences = append(differences, fmt.Sprintf("%s: %v and %v", what, x, y))
		}
	}
	differ("scenario", a.Scenario, b.Scenario)
	differ("connections", a.Connections, b.Connections)
	differ("depth", a.Depth, b.Depth)
	differ("rate", a.Rate, b.Rate)
	differ("sizes", a.Sizes, b.Sizes)
	differ("compression", named(a.Compression), named(b.Compression))
	differ("text messages", a.Text, b.Text)
	differ("rooms", a.Rooms, b.Rooms)
	differ("publishers", a.Publishers, b.Publishers)
	differ("stalled connections", a.Stalled, b.Stalled)
	differ("cores", a.Cores, b.Cores)
	differ("platform", a.Platform, b.Platform)
	differ("Go", a.Go, b.Go)

	add := func(name, unit string, lowerIsBetter bool, of func(Window) (float64, bool)) {
		ma, ea, na := scatter(a.Windows, of)
		mb, eb, nb := scatter(b.Windows, of)
		if na == 0 || nb == 0 {
			return
		}
		c := Change{Name: name, Unit: unit, A: ma, B: mb}
		if na > 1 && nb > 1 {
			noise := 3 * math.Sqrt(ea*ea+eb*eb)
			if ma != 0 {
				c.Noise = noise / math.Abs(ma)
			}
			c.Moved = math.Abs(mb-ma) > max(noise, 0.01*math.Abs(ma))
			c.Better = c.Moved && (mb < ma) == lowerIsBetter
		}
		changes = append(changes, c)
	}
	perMessage := func(cpu func(Window) float64) func(Window) (float64, bool) {
		return func(w Window) (float64, bool) {
			return cpu(w) / float64(max(1, w.Received)) * 1e9, w.Received > 0 && cpu(w) > 0
		}
	}
	add("messages", "/s", false, func(w Window) (float64, bool) { return float64(w.Received) / w.Seconds, w.Seconds > 0 })
	add("bytes per message", "B", true, func(w Window) (float64, bool) {
		return float64(w.Bytes) / float64(max(1, w.Received)), w.Received > 0 && w.Bytes > 0
	})
	add("replies compressed", "", false, func(w Window) (float64, bool) {
		return float64(w.Compressed.Messages) / float64(max(1, w.Received)), w.Received > 0 && a.Compression != "" && b.Compression != ""
	})
	add("their size, compressed", "", true, func(w Window) (float64, bool) { return w.Compressed.Ratio(), w.Compressed.Plain > 0 })
	add("latency p50", "ns", true, func(w Window) (float64, bool) { return float64(w.P50), w.P50 > 0 })
	add("latency p99", "ns", true, func(w Window) (float64, bool) { return float64(w.P99), w.P99 > 0 })
	add("latency max", "ns", true, func(w Window) (float64, bool) { return float64(w.Max), w.Max > 0 })
	add("server CPU per message", "ns", true, perMessage(func(w Window) float64 { return w.ServerCPU }))
	add("generator CPU per message", "ns", true, perMessage(func(w Window) float64 { return w.CPU }))
	add("errors", "/s", true, func(w Window) (float64, bool) { return float64(w.Errors) / w.Seconds, w.Seconds > 0 })
	return changes, differences
}

func named(c Compression) Compression {
	if c == "" {
		return "off"
	}
	return c
}

// scatter is the mean of a figure over the windows that count, its standard error,
// and how many windows there are. A last one that was cut short is left out.
func scatter(windows []Window, of func(Window) (float64, bool)) (mean, err float64, n int) {
	var values []float64
	for _, w := range windows {
		if v, ok := of(w); ok && !w.Warmup && w.Seconds > 0.5 {
			values = append(values, v)
			mean += v
		}
	}
	if n = len(values); n == 0 {
		return 0, 0, 0
	}
	mean /= float64(n)
	for _, v := range values {
		err += (v - mean) * (v - mean)
	}
	if n > 1 {
		err = math.Sqrt(err / float64(n-1) / float64(n))
	}
	return mean, err, n
}

// PrintChanges writes a comparison as a table. It returns the first error of w.
func PrintChanges(w io.Writer, changes []Change, differences []string) error {
	var b strings.Builder
	for _, d := range differences {
		fmt.Fprintf(&b, "The runs differ in %s.\n", d)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "figure\ta\tb\tchange\tnoise\t\t")
	for _, c := range changes {
		verdict := "within the noise"
		switch {
		case c.Moved && c.Better:
			verdict = "better"
		case c.Moved:
			verdict = "worse"
		case c.Noise == 0 && c.A != c.B:
			verdict = "noise unknown"
		}
		change := fmt.Sprintf("%+.1f%%", 100*c.Relative())
		if c.A == 0 && c.B != 0 {
			change = "from 0"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t±%.1f%%\t%s\t\n", c.Name, c.text(c.A), c.text(c.B), change, 100*c.Noise, verdict)
	}
	t.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Change) text(v float64) string {
	if c.Unit == "ns" {
		return short(time.Duration(v))
	}
	scale := ""
	for _, s := range []string{"k", "M", "G"} {
		if c.Unit == "B" && v >= 1000 {
			v, scale = v/1000, s
		}
	}
	if v >= 1000 {
		return thousands(int64(math.Round(v))) + c.Unit
	}
	return fmt.Sprintf("%.4g%s%s", v, scale, c.Unit)
}

// short writes a duration with three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for d.Abs()/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}
