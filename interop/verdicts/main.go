// Command verdicts plays the conformance cases against Tidewire's ws and
// against other WebSocket libraries, as servers and as clients, and writes
// docs/conformance.md. Run it in this folder's module:
//
//	go run ./verdicts
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

func main() {
	out := flag.String("o", filepath.Join("..", "docs", "conformance.md"), "where the page goes; - is standard output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "verdicts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	var all []verdicts
	for _, p := range peers {
		v := verdicts{peer: p}
		fmt.Fprintf(os.Stderr, "%s …\n", p.name)
		start := time.Now()
		var err error
		if v.server, err = asServer(ctx, p, runner()); err != nil {
			return fmt.Errorf("%s as a server: %w", p.name, err)
		}
		if v.client, err = asClient(ctx, p, runner()); err != nil {
			return fmt.Errorf("%s as a client: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: server: %v; client: %v; %v\n", p.name,
			conformance.Count(v.server), conformance.Count(v.client), time.Since(start).Round(time.Second))
		all = append(all, v)
	}
	page := render(all, runtime.Version())
	if out == "-" {
		_, err := os.Stdout.WriteString(page)
		return err
	}
	return os.WriteFile(out, []byte(page), 0o644)
}

// runner has little time to lose: a peer that says nothing says it to dozens of cases.
func runner() *conformance.Runner {
	return &conformance.Runner{Patience: 6 * time.Second, Timeout: 30 * time.Second, Parallel: 24}
}
