package main

import (
	_ "embed"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/tidewire/tidewire/bench/servers"
)

var (
	//go:embed page.md
	pageText string
	//go:embed live.md
	liveText string
)

// pageTemplates are the pages by their names.
var pageTemplates = map[string]*template.Template{
	"benchmarks.md":      template.Must(template.New("page.md").Parse(pageText)),
	"benchmarks-live.md": template.Must(template.New("live.md").Parse(liveText)),
}

// page is everything that benchmarks.md says, or benchmarks-live.md.
type page struct {
	Command, Date, Commit, Machine, Go, Node string
	Length, Warmup                           time.Duration
	Rounds                                   int
	Summary, Servers                         string // tables
	Sections                                 []section
	Growth, Flat                             string // tables; empty without their workloads
	ReadWrite, Upgrade                       string
	Problems                                 []string
	Counted                                  bool
}

type section struct{ Title, Chart, Table string }

// writePage writes a page and its charts into a folder.
func writePage(folder, name string, p page, tables []*table) error {
	charts := filepath.Join(folder, "benchmarks")
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	var groups []string
	ratios := make([][]float64, 3)
	summary := [][]string{{"workload", "Tidewire", "best of the others", "epoll floor", "unit"}}
	rooms := [][]string{{"workload", "Tidewire", "with history", "best of the others", "unit"}}
	for _, t := range tables {
		rows := t.rows()
		if len(rows) == 0 {
			continue
		}
		axis := "bytes per connection, after a message"
		if !t.memory {
			axis = "CPU µs of the server per " + t.unit + ", less is better"
		}
		if err := drawBars(filepath.Join(charts, t.name+".svg"), t.title, axis, t.bars(rows)); err != nil {
			return err
		}
		p.Sections = append(p.Sections, section{t.title, "benchmarks/" + t.name + ".svg", t.markdown(rows)})
		line, three := t.summed(rows)
		if summary = append(summary, line); t.job.Live {
			rooms = append(rooms, t.liveLine(rows))
		}
		if !t.memory && three[0] > 0 && three[1] > 0 {
			groups = append(groups, t.name)
			for i, v := range three {
				ratios[i] = append(ratios[i], v)
			}
		}
	}
	if p.Summary = markdown(summary); name == "benchmarks-live.md" {
		p.Summary = markdown(rooms)
	}
	if len(groups) > 0 {
		err := drawRatios(filepath.Join(charts, "summary.svg"), "CPU time of the server over that of the epoll floor (bars end at 4)", groups,
			[]string{"Tidewire", "Bun", "best other Go library"}, []color.Color{colorOurs, colorFloor, colorRival}, ratios)
		if err != nil {
			return err
		}
	}
	p.Growth, p.Flat = growth(tables), flat(tables)
	f, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pageTemplates[name].Execute(f, p); err != nil {
		return err
	}
	return f.Close()
}

// summed is a workload's line in the summary, and over the floor: Tidewire, Bun, the best other Go library.
func (t *table) summed(rows []row) (line []string, ratios [3]float64) {
	floor, rival := t.marks(rows)
	line = []string{t.title, "", "", "", "CPU µs per " + t.unit}
	figure := func(v float64) string { return micro(v) }
	if t.memory {
		line[4], figure = "bytes per connection", func(v float64) string { return fmt.Sprintf("%.0f", v) }
	}
	for _, r := range rows {
		v := t.main(r)
		switch {
		case r.server.Ours && line[1] == "":
			line[1] = "**" + figure(v) + "**"
			for _, over := range []struct {
				mark float64
				name string
			}{{floor, "floor"}, {rival, "best"}} {
				if over.mark > 0 {
					line[1] += fmt.Sprintf(", %.2f × %s", v/over.mark, over.name)
				}
			}
			ratios[0] = v / floor
		case r.server.Name == "bun":
			ratios[1] = v / floor
		case r.server.Runtime == "" && !r.server.Ours && !r.server.Floor && (ratios[2] == 0 || v/floor < ratios[2]):
			ratios[2] = v / floor
		}
		if v == rival {
			line[2] = figure(v) + ", " + r.server.Title
		}
		if r.server.Name == "floor-epoll" {
			line[3] = figure(v)
		}
	}
	if floor == 0 {
		ratios = [3]float64{}
	}
	return line, ratios
}

// liveLine is a line in the summary of live: both of our servers, and the best of the others.
func (t *table) liveLine(rows []row) []string {
	_, rival := t.marks(rows)
	line := []string{t.title, "", "", "", "CPU µs per " + t.unit}
	for _, r := range rows {
		v := t.main(r)
		over := micro(v)
		if rival > 0 {
			over = fmt.Sprintf("**%s**, %.2f ×", micro(v), v/rival)
		}
		switch {
		case r.server.Name == "live":
			line[1] = over
		case r.server.Name == "live-history":
			line[2] = over
		case v == rival:
			line[3] = micro(v) + ", " + r.server.Title
		}
	}
	return line
}

// growth is how the CPU time grows with the connections.
func growth(tables []*table) string {
	lines := [][]string{{"server", "64 connections, CPU µs", "10,000 connections, CPU µs", "growth", "over the floor's growth"}}
	floor := 0.0
	all := pairs(tables, "echo-64", "echo-10000")
	for _, p := range all {
		if p.server.Name == "floor-epoll" {
			floor = p.b / p.a
		}
	}
	for _, p := range all {
		lines = append(lines, []string{p.server.Title, micro(p.a), micro(p.b), ratio(p.b, p.a), ratio(p.b/p.a, floor)})
	}
	if len(all) == 0 {
		return ""
	}
	return markdown(lines)
}

// flat is what further connections cost.
func flat(tables []*table) string {
	lines := [][]string{{"server", "1,000 connections, B each", "19,500 connections, B each", "each of the further 18,500, B"}}
	all := pairs(tables, "idle-1000", "idle-19500")
	for _, p := range all {
		further := (idleMany*p.b - 1000*p.a) / (idleMany - 1000)
		lines = append(lines, []string{p.server.Title, fmt.Sprintf("%.0f", p.a), fmt.Sprintf("%.0f", p.b), fmt.Sprintf("%.0f", further)})
	}
	if len(all) == 0 {
		return ""
	}
	return markdown(lines)
}

// pair is a server's main figure at two workloads.
type pair struct {
	server servers.Server
	a, b   float64
}

// pairs are those of the servers that were measured at both.
func pairs(tables []*table, one, other string) (all []pair) {
	first := make(map[string]float64)
	for _, t := range tables { // one comes before the other
		if t.name != one && t.name != other {
			continue
		}
		for _, r := range t.rows() {
			if a, v := first[r.server.Name], t.main(r); t.name == one {
				first[r.server.Name] = v
			} else if a > 0 {
				all = append(all, pair{r.server, a, v})
			}
		}
	}
	return all
}

// markdown is the table of a workload.
func (t *table) markdown(rows []row) string {
	floor, rival := t.marks(rows)
	lines := [][]string{t.header()}
	for _, r := range rows {
		f := t.fields(r, floor, rival)
		if r.server.Ours {
			f[0] = "**" + f[0] + "**"
		}
		lines = append(lines, f)
	}
	return markdown(lines)
}

// markdown is a table whose first line is its head; numbers stand to the right.
func markdown(lines [][]string) string {
	var b strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			b.WriteString("|---|" + strings.Repeat("---:|", len(line)-1) + "\n")
		}
	}
	return b.String()
}

// serverTable says how each server is used.
func serverTable(tables []*table) string {
	there := make(map[string]bool)
	for _, t := range tables {
		for _, c := range t.cells {
			there[c.server.Name] = true
		}
	}
	lines := [][]string{{"server", "version", "how it is used here", "`-server`"}}
	for _, s := range servers.All() {
		if there[s.Name] {
			lines = append(lines, []string{s.Title, version(s), s.Note, "`" + s.Name + "`"})
		}
	}
	return strings.ReplaceAll(markdown(lines), "---:|", "---|")
}

// microTable is that of the benchmarks in memory.
func microTable(results []microResult) string {
	lines := [][]string{{"library", "ns/op", "B/op", "allocs/op"}}
	for _, r := range results {
		lines = append(lines, r.fields())
	}
	return markdown(lines)
}

// printSummary says in few lines how it came out.
func printSummary(out io.Writer, tables []*table) {
	for _, t := range tables {
		if rows := t.rows(); len(rows) > 0 {
			line, _ := t.summed(rows)
			fmt.Fprintf(out, "%-17s %-45s %s\n", t.name, strings.ReplaceAll(line[1], "*", ""), "best other: "+line[2])
		}
	}
}
