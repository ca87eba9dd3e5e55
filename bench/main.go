// Command bench measures Tidewire's servers beside those of other libraries. CONTRIBUTING.md and docs/benchmarks.md
// say how it is used; `go run . -h` lists what can be chosen.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/tidewire/tidewire/bench/inmemory"
	"github.com/tidewire/tidewire/bench/meter"
	"github.com/tidewire/tidewire/bench/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	only, servers string
	rounds        int
	budget, each  time.Duration
	quick, list   bool
	live          bool
	write         string
	command       string // as the page tells it
}

func parse(args []string, stderr io.Writer) (s settings, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&s.only, "only", "", "workloads, separated by commas; echo stands for all of echo-…; none means all but those of live")
	f.BoolVar(&s.live, "live", false, "the workloads of live; with -write their page, benchmarks-live.md")
	f.StringVar(&s.servers, "server", "", "servers, separated by commas; none means all")
	f.IntVar(&s.rounds, "rounds", 3, "rounds over all servers of a workload")
	f.DurationVar(&s.budget, "budget", 0, "time for everything, which the runs are fitted into (8m30s, or with -quick 100s)")
	f.DurationVar(&s.each, "each", 0, "how long each run measures, in place of a budget")
	f.BoolVar(&s.quick, "quick", false, "one round, without the largest workloads and the variants of servers")
	f.BoolVar(&s.list, "list", false, "list the workloads and the servers")
	f.StringVar(&s.write, "write", "", "write benchmarks.md, or with -live benchmarks-live.md, and the charts into this folder")
	f.StringVar(&s.command, "command", "go run . "+strings.Join(args, " "), "the command that the page names")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	switch {
	case f.NArg() > 0:
		return s, fmt.Errorf("there is no argument %q", f.Arg(0))
	case s.rounds < 1 || s.budget < 0 || s.each < 0:
		return s, errors.New("-rounds, -budget and -each must not be negative")
	}
	if s.live && s.only == "" {
		s.only = "live"
	}
	if s.quick {
		s.rounds = 1
	}
	if s.budget == 0 {
		s.budget = 8*time.Minute + 30*time.Second
		if s.quick {
			s.budget = 100 * time.Second
		}
	}
	return s, nil
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "serve" {
		return meter.Serve(args[1:], stdin, stdout)
	}
	set, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if set.list {
		return list(stdout)
	}
	missing := make(map[string]error)
	for _, server := range servers.All() {
		if !chosenServer(set.servers, server.Name) {
			continue
		}
		if err := meter.Missing(server); err != nil {
			missing[server.Name] = err
			fmt.Fprintf(stderr, "%s is left out: %v\n", server.Name, err)
		}
	}
	tables := tablesOf(set.only, set.servers, set.quick, missing)
	if len(tables) == 0 {
		return errors.New("nothing was chosen; -list shows what there is")
	}
	b, end, err := newBench()
	if err != nil {
		return err
	}
	defer end()
	if err := meter.CanCount(); err != nil {
		fmt.Fprintln(stderr, err)
	} else {
		b.counting = true
	}
	s := newSchedule(tables, set.rounds, set.budget, b.counting)
	if set.quick {
		s.length.warmup /= 2
	}
	if set.each > 0 {
		s.rounds, s.length.measure, s.fixed = set.rounds, set.each, true
	}
	if err := s.watched(ctx, b, stderr); err != nil {
		return err
	}
	if set.write != "" {
		if err := set.page(b, s, missing); err != nil {
			return err
		}
		printSummary(stdout, tables)
		fmt.Fprintln(stdout, filepath.Join(set.write, set.name()))
		return failures(tables, stderr)
	}
	for _, t := range tables {
		if err := t.print(stdout); err != nil {
			return err
		}
	}
	return failures(tables, stderr)
}

// name is that of the page.
func (set settings) name() string {
	if set.live {
		return "benchmarks-live.md"
	}
	return "benchmarks.md"
}

// page writes benchmarks.md, or that of live. The benchmarks in memory belong to the first, and run here.
func (set settings) page(b *bench, s *schedule, missing map[string]error) error {
	each := 300 * time.Millisecond
	if set.quick {
		each = 100 * time.Millisecond
	}
	p := page{
		Command: set.command, Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Commit: commit("."), Machine: machine(),
		Go: runtime.Version(), Node: output(".", "node", "--version"),
		Length: s.length.measure.Round(10 * time.Millisecond), Warmup: s.length.warmup, Counted: b.counting,
		Servers: serverTable(s.tables),
	}
	if !set.live {
		p.ReadWrite, p.Upgrade = microTable(microbench(inmemory.ReadWrites(), each)), microTable(microbench(inmemory.Upgrades(), each))
	}
	for _, server := range servers.All() {
		if err := missing[server.Name]; err != nil {
			p.Problems = append(p.Problems, fmt.Sprintf("%s is missing: %v", server.Title, err))
		}
	}
	for _, t := range s.tables {
		for _, c := range t.cells {
			p.Rounds = max(p.Rounds, len(c.samples))
			if c.failed != nil {
				p.Problems = append(p.Problems, c.failed.Error())
			}
		}
	}
	return writePage(set.write, set.name(), p, s.tables)
}

// watched runs everything and shows how far it is.
func (s *schedule) watched(ctx context.Context, b *bench, stderr io.Writer) error {
	fmt.Fprintf(stderr, "%d runs, about %v each measured, some %v in all\n",
		s.runs(s.tables), s.length.measure.Round(10*time.Millisecond), s.takes().Round(time.Second))
	bar := progressbar.DefaultSilent(int64(s.runs(s.tables)))
	f, watched := stderr.(*os.File)
	if watched = watched && term.IsTerminal(int(f.Fd())); watched {
		bar = progressbar.NewOptions(s.runs(s.tables), progressbar.OptionSetWriter(stderr), progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	}
	begun, done := time.Now(), 0
	err := s.run(ctx, b, watcher{
		before: func(t *table, c *cell) { bar.Describe(fmt.Sprintf("%-16s %-13s", t.name, c.server.Name)) },
		after: func() {
			bar.Add(1)
			done++
		},
		ended: func(t *table, left int) {
			if left > 0 {
				bar.ChangeMax(done + left) // fewer, if it is late
			}
			if !watched {
				fmt.Fprintf(stderr, "%5.0f s  %s\n", time.Since(begun).Seconds(), t.name)
			}
		},
	})
	bar.Clear()
	return err
}

// failures tells those of all runs. Ours and the floors' are an error; another library's are its own.
func failures(tables []*table, stderr io.Writer) error {
	var all []error
	for _, t := range tables {
		for _, c := range t.cells {
			if c.failed != nil {
				fmt.Fprintln(stderr, "failed:", c.failed)
				if c.server.Ours || c.server.Floor {
					all = append(all, c.failed)
				}
			}
		}
	}
	return errors.Join(all...)
}

func list(out io.Writer) error {
	fmt.Fprintln(out, "workloads:")
	for _, w := range slices.Concat(workloads(), liveWorkloads()) {
		fmt.Fprintf(out, "  %-17s %s\n", w.name, w.title)
	}
	fmt.Fprintln(out, "\nservers:")
	for _, s := range servers.All() {
		fmt.Fprintf(out, "  %-17s %s: %s\n", s.Name, s.Title, s.Note)
	}
	return nil
}

func chosenServer(list, name string) bool {
	if list == "" {
		return true
	}
	for want := range strings.SplitSeq(list, ",") {
		if want == name || want == "floors" && strings.HasPrefix(name, "floor-") {
			return true
		}
	}
	return false
}
