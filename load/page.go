package load

import (
	_ "embed"
	"html/template"
	"io"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/load/uplot"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"short":      func(ns int64) string { return short(time.Duration(ns)) },
	"plan":       (*Report).plan,
	"faults":     (*Report).faults,
	"compressed": (*Report).compressed,
	"rate":       func(r *Report) string { return thousands(int64(float64(r.Received) / max(r.Seconds, 1e-9))) },
	"each": func(r *Report, cpu float64) string {
		return short(time.Duration(cpu / float64(max(1, r.Received)) * 1e9))
	},
}).Parse(pageText))

// HTML writes the report as one page that needs nothing else: no other file, no
// network. It returns the first error of w.
func (r *Report) HTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Report
		Script template.JS
		Style  template.CSS
	}{r, template.JS(uplot.Read("uPlot.iife.min.js")), template.CSS(uplot.Read("uPlot.min.css"))})
}

// thousands writes a number as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
