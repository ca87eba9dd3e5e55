package main

import (
	"cmp"
	"fmt"
	"image/color"
	"os"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of the charts: ours, other libraries, floors. They differ in brightness, too.
var (
	colorOurs  = color.RGBA{R: 0x0b, G: 0x6e, B: 0x99, A: 0xff}
	colorRival = color.RGBA{R: 0xe0, G: 0x9f, B: 0x3e, A: 0xff}
	colorFloor = color.RGBA{R: 0xb8, G: 0xbc, B: 0xc2, A: 0xff}
)

// bar is one bar of a chart.
type bar struct {
	name  string
	value float64
	color color.Color
}

// bars are the main figures of the rows, the smallest first.
func (t *table) bars(rows []row) (all []bar) {
	for _, r := range rows {
		b := bar{r.server.Title, t.main(r), colorRival}
		if !t.memory {
			b.value *= 1e6
		}
		switch {
		case r.server.Ours:
			b.color = colorOurs
		case r.server.Floor:
			b.color = colorFloor
		}
		all = append(all, b)
	}
	slices.SortStableFunc(all, func(a, b bar) int { return cmp.Compare(a.value, b.value) })
	return all
}

// drawBars writes a chart with the bars from the top down as an SVG file.
func drawBars(name, title, axis string, bars []bar) error {
	p := newPlot(title)
	p.X.Label.Text, p.X.Min = axis, 0
	n := len(bars)
	names, points := make([]string, n), plotter.XYLabels{XYs: make(plotter.XYs, n), Labels: make([]string, n)}
	longest := 0.0
	for i, b := range bars {
		at := n - 1 - i
		names[at] = b.name + "  " // the reader's font may be wider than the one that is reckoned with
		points.XYs[i] = plotter.XY{X: b.value, Y: float64(at)}
		points.Labels[i] = " " + digits(b.value)
		longest = max(longest, b.value)
		one, err := plotter.NewBarChart(plotter.Values{b.value}, vg.Points(13))
		if err != nil {
			return err
		}
		one.Horizontal, one.XMin, one.Color, one.LineStyle.Width = true, float64(at), b.color, 0
		p.Add(one)
	}
	labels, err := plotter.NewLabels(points)
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].YAlign = -0.4
	}
	p.Add(labels)
	p.NominalY(names...)
	p.X.Max = longest * 1.12 // room for the label of the longest
	return save(p, name, 640, float64(n)*19+70)
}

// drawRatios writes a chart with groups of bars, over 1.0 as the epoll floor.
func drawRatios(name, title string, groups []string, series []string, colors []color.Color, values [][]float64) error {
	p := newPlot(title)
	p.Y.Label.Text, p.Y.Min, p.Y.Max = "times the epoll floor (1)", 0, 4
	width := vg.Points(11)
	for i, s := range series {
		bars, err := plotter.NewBarChart(plotter.Values(clipped(values[i], p.Y.Max)), width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = colors[i], 0
		bars.Offset = width * vg.Length(float64(i)-float64(len(series)-1)/2)
		p.Add(bars)
		p.Legend.Add(s, bars)
	}
	line := plotter.NewFunction(func(float64) float64 { return 1 })
	line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(line)
	p.Legend.Top, p.Legend.Left = true, true
	p.NominalX(groups...)
	p.X.Min, p.X.Max = -0.6, float64(len(groups))-0.4 // room for the labels of the first and the last
	p.Legend.Padding = vg.Points(3)
	return save(p, name, 80*float64(len(groups))+80, 320)
}

// clipped bounds the values: a chart in which one library is 40 times the floor shows nothing else.
func clipped(values []float64, most float64) []float64 {
	var all []float64
	for _, v := range values {
		all = append(all, min(v, most))
	}
	return all
}

func newPlot(title string) *plot.Plot {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text, p.Title.TextStyle.Font.Size, p.Title.Padding = title, vg.Points(12), vg.Points(8)
	return p
}

func save(p *plot.Plot, name string, width, height float64) error {
	c := vgsvg.New(vg.Points(width), vg.Points(height))
	p.Draw(draw.New(c))
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := c.WriteTo(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return f.Close()
}
