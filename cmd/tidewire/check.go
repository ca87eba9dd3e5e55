package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/tidewire/tidewire/conformance"
	"github.com/tidewire/tidewire/conformance/report"
)

type checkCommand struct {
	Target string `arg:"" optional:"" help:"Server to test: a ws:// or wss:// URL. It must echo every message, take 16 MiB and, for the compression cases, have permessage-deflate on."`
	Listen string `env:"-" help:"Test a client instead: listen on this host:port for it. It dials /case/ID, or loops as clients of the Autobahn suite do, and echoes." placeholder:"ADDR"`

	Only []string `help:"Cases to play: IDs or globs such as 6.* or 5.[34], separated by commas." placeholder:"GLOB"`
	Skip []string `help:"Cases to leave out, in the same form." placeholder:"GLOB"`
	List bool     `env:"-" help:"List the cases and exit."`

	Parallel int           `help:"How many cases run at once." default:"16"`
	FailFast bool          `help:"Begin no further case once one has failed."`
	Strict   bool          `help:"Count what is not strict as failed."`
	Timeout  time.Duration `help:"The longest that one case may take." default:"30s"`
	Patience time.Duration `help:"How long to wait for a peer that says nothing." default:"8s"`
	Idle     time.Duration `help:"With --listen: end the run when no case has ended for this long." default:"2m"`

	HTML    string `name:"html" help:"Write a page about every case to this file." placeholder:"FILE"`
	JUnit   string `name:"junit" help:"Write JUnit XML to this file." placeholder:"FILE"`
	JSON    string `name:"json" help:"Write everything as JSON to this file." placeholder:"FILE"`
	Verbose bool   `short:"v" help:"Print the traffic of each case that did not pass, in hex; with --only, of every case."`

	serverFlags
	Cert string `help:"With --listen: certificate in PEM; the client then dials wss." placeholder:"FILE"`
	Key  string `help:"With --listen: the certificate's key in PEM." placeholder:"FILE"`
}

// errNonconforming is a run in which a case failed or was not played.
var errNonconforming = errors.New("the implementation does not conform")

// Help is kong's hook.
func (*checkCommand) Help() string {
	return `Examples:

  tidewire check ws://127.0.0.1:9001/
  tidewire check ws://127.0.0.1:9001/ --only '6.*,7.*' --html report.html
  tidewire check --listen 127.0.0.1:9001

Verdicts: pass; not strict (no MUST was broken, but something that the RFC
recommends was left out); fail; unsupported (a feature was not negotiated);
informational (the RFC leaves it open). The exit status is 4 when a case failed
or was not played.`
}

// Validate is kong's hook.
func (k *checkCommand) Validate() error {
	switch {
	case k.List:
	case k.Target == "" && k.Listen == "":
		return errors.New("check needs the URL of a server to test, or --listen to test a client")
	case k.Target != "" && k.Listen != "":
		return errors.New("check takes the URL of a server or --listen, not both")
	case (k.Cert == "") != (k.Key == ""):
		return errors.New("--cert and --key belong together")
	case k.Cert != "" && k.Listen == "":
		return errors.New("--cert and --key are for --listen")
	}
	for name, d := range map[string]time.Duration{"timeout": k.Timeout, "patience": k.Patience, "idle": k.Idle} {
		if d <= 0 {
			return fmt.Errorf("--%s is %v; it must be more than 0", name, d)
		}
	}
	if k.Parallel < 1 {
		return fmt.Errorf("--parallel is %d; it must be 1 at least", k.Parallel)
	}
	if err := k.serverFlags.validate(); err != nil {
		return err
	}
	_, err := conformance.Select(k.role(), k.globs()...)
	return err
}

func (k *checkCommand) role() conformance.Role {
	if k.Listen != "" {
		return conformance.Client
	}
	return conformance.Server
}

func (k *checkCommand) globs() []string {
	globs := append([]string(nil), k.Only...)
	for _, g := range k.Skip {
		globs = append(globs, "-"+g)
	}
	return globs
}

// Run plays the cases, prints what they found and writes the reports.
func (k *checkCommand) Run(ctx context.Context, io stdio) error {
	cases, err := conformance.Select(k.role(), k.globs()...)
	if err != nil {
		return err
	}
	if k.List {
		return listCases(io.out, cases)
	}
	found := &report.Report{Tool: "tidewire " + version(), Role: k.role(), Target: k.Target, Strict: k.Strict, Start: time.Now()}
	files, err := tryOutputs(
		&output{name: k.HTML, write: found.HTML}, &output{name: k.JUnit, write: found.JUnit}, &output{name: k.JSON, write: found.JSON},
	)
	if err != nil {
		return err
	}
	r := &conformance.Runner{
		Parallel: k.Parallel, FailFast: k.FailFast, Strict: k.Strict, Timeout: k.Timeout, Patience: k.Patience,
		Dial: dialer(k.YesIOwnThisServer).DialContext, Header: k.header(),
	}
	if r.TLS, err = k.tls(); err != nil {
		return err
	}
	if k.Cert != "" {
		pair, err := tls.LoadX509KeyPair(k.Cert, k.Key)
		if err != nil {
			return err
		}
		r.TLS.Certificates = []tls.Certificate{pair}
	}
	if k.Listen == "" {
		if err := r.Probe(ctx, k.Target); err != nil {
			return err
		}
		show := newProgress(io.err, len(cases))
		r.Progress = show.add
		found.Results, err = r.RunServer(ctx, k.Target, k.globs()...)
		show.end()
	} else {
		err = k.receive(ctx, io, r, found, len(cases))
	}
	stopped := ctx.Err() != nil
	if err != nil && !stopped {
		return err
	}
	found.Duration = time.Since(found.Start)
	found.Missing = missing(cases, found.Results)
	// The files come first: whoever reads the output may close it, which ends the process.
	unwritten := files.write()
	if err := k.tell(io.out, found); err != nil {
		return err
	}
	if unwritten != nil {
		return unwritten
	}
	switch {
	case stopped:
		return errors.New("stopped before the end")
	case !found.OK():
		return errNonconforming
	}
	return nil
}

// receive waits for a client under test.
func (k *checkCommand) receive(ctx context.Context, io stdio, r *conformance.Runner, found *report.Report, cases int) error {
	ln, err := net.Listen("tcp", k.Listen)
	if err != nil {
		return err
	}
	scheme := "ws"
	if k.Cert != "" {
		scheme = "wss"
	}
	found.Target = scheme + "://" + visible(ln.Addr()) + "/"
	fmt.Fprintf(io.out, "Waiting for a client. It plays %d cases, by either way:\n", cases)
	fmt.Fprintf(io.out, "  %scase/ID for each ID of: tidewire check --list --listen %s\n", found.Target, k.Listen)
	fmt.Fprintf(io.out, "  %sgetCaseCount, runCase?case=N&agent=NAME, updateReports?agent=NAME\n", found.Target)
	show := newProgress(io.err, cases)
	defer show.end()
	idle, stop := context.WithCancel(ctx)
	defer stop()
	timer := time.AfterFunc(k.Idle, stop)
	defer timer.Stop()
	r.Progress = func(res conformance.Result) {
		timer.Reset(k.Idle)
		show.add(res)
	}
	found.Results, err = r.ServeClient(idle, ln, k.globs()...)
	if err != nil && idle.Err() != nil && ctx.Err() == nil {
		show.end()
		fmt.Fprintf(io.err, "tidewire: no case has ended for %v (--idle)\n", k.Idle)
		return nil
	}
	return err
}

// tell prints the run for a person.
func (k *checkCommand) tell(w io.Writer, found *report.Report) error {
	if k.Verbose {
		for _, res := range found.Results {
			if res.Verdict != conformance.Pass || len(k.Only) > 0 {
				if err := res.Dump(w); err != nil {
					return err
				}
				fmt.Fprintln(w)
			}
		}
	}
	if err := conformance.Print(w, found.Results); err != nil {
		return err
	}
	line := conformance.Count(found.Results).String()
	if n := len(found.Missing); n > 0 {
		line += fmt.Sprintf(", %d not played", n)
	}
	_, err := fmt.Fprintf(w, "\n%s, in %v\n", line, found.Duration.Round(10*time.Millisecond))
	return err
}

// missing returns the cases without a result.
func missing(cases []conformance.Case, results []conformance.Result) []conformance.Case {
	played := make(map[string]bool)
	for _, res := range results {
		played[res.ID] = true
	}
	var all []conformance.Case
	for _, c := range cases {
		if !played[c.ID] {
			all = append(all, c)
		}
	}
	return all
}

func listCases(w io.Writer, cases []conformance.Case) error {
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "%-8s %-18s %s: %s\n", c.ID, c.Section, c.Group, c.Title)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
