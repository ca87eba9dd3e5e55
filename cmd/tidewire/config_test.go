package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/configfile"
)

// parse is what run makes of a command line of serve.
func parse(t testing.TB, args ...string) (*commandLine, *kong.Context) {
	t.Helper()
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("tidewire"), kong.Vars{"version": ""}, kong.DefaultEnvars("TIDEWIRE"), kong.BindTo(t.Context(), (*context.Context)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return &cli, ctx
}

// printed is what --print-config prints.
func printed(t testing.TB, ctx *kong.Context) string {
	t.Helper()
	var b strings.Builder
	if err := configfile.Print(&b, ctx); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Each flag of serve can be in the file but those that are for the command line.
func TestConfigHasEveryFlag(t *testing.T) {
	_, ctx := parse(t)
	text := printed(t, ctx)
	flags := configfile.Flags(ctx)
	if len(flags) < 15 {
		t.Fatalf("found %d flags", len(flags))
	}
	for _, flag := range flags {
		only := flag.Name == "version" || flag.Name == "config" || flag.Name == "print-config"
		if strings.Contains("\n"+text, "\n"+flag.Name+": ") == only {
			t.Errorf("%s: in the file, or only on the command line: not %v", flag.Name, only)
		}
	}
}

// The example in the documentation is a configuration.
func TestConfigExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Fatal("no example")
	}
	for _, block := range blocks {
		name := filepath.Join(t.TempDir(), "tidewire.yaml")
		if err := os.WriteFile(name, block[1], 0o600); err != nil {
			t.Fatal(err)
		}
		parse(t, "--config", name)
	}
}
