package configfile

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// A program has a flag of each kind, and another command.
type program struct {
	LogLevel slog.Level `default:"info"`
	Serve    struct {
		Data         string
		ClusterPeers []string
		ClusterName  string
		Drain        time.Duration `default:"10s"`
		Addr         string
		On           bool
		Count        int
		Share        float64
		NATS         string `name:"nats" secret:"urls"`
	} `cmd:""`
	Other struct {
		Else string
	} `cmd:""`
}

// parse is a command line of serve.
func parse(t testing.TB, args ...string) (*program, *kong.Context) {
	t.Helper()
	var cli program
	parser, err := kong.New(&cli, kong.Name("program"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return &cli, ctx
}

// printed is what Print prints.
func printed(t testing.TB, ctx *kong.Context) string {
	t.Helper()
	var b strings.Builder
	if err := Print(&b, ctx); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What is printed makes the same configuration again, whatever is in it.
func TestConfigRoundTrip(t *testing.T) {
	for _, text := range []string{
		"", "plain", "with space", "trailing ", " leading", "a: b", "a #b", "#b", "yes", "true", "null", "~", "5", "0x10", "0o7", "1e3", ".5", ".inf", ".nan",
		"2020-01-01", "12:30:45", "-", "- a", "?", "? a", ":", "a:", "[a", "{a", "a]", "*a", "&a b", "!a", "!!str a", "|", ">", "%a", "@a", "`a", `"a"`, `'a'`, `a"b`,
		`C:\data\x`, `\\host\share`, "a\tb", "a\nb", "a\r\nb", "é☃😀", "\u2028", "\u0085", "\ufeffa", "\x01\x7f", "---", "...", "<<", "=", "a, b", "[]", "{}", "a\n--- b",
	} {
		cli, ctx := parse(t, "--log-level=warn", "--drain=90s", "--count=-7", "--share=0.25", "--on")
		cli.Serve.Data, cli.Serve.ClusterPeers = text, []string{text, "x"}
		first := printed(t, ctx)
		c, err := Parse("again", []byte(first), ctx)
		if err != nil {
			t.Errorf("%q: %v in\n%s", text, err, first)
			continue
		}
		for name, want := range map[string]any{"data": text, "cluster-peers": []any{text, "x"}, "drain": "1m30s", "log-level": "warn", "count": "-7", "share": "0.25", "on": true} {
			if got := c.values[name].value; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %q became %q", name, want, got)
			}
		}
	}
}

func TestMaskURLs(t *testing.T) {
	for list, want := range map[string]string{
		"":                               "",
		"nats://a:4222":                  "nats://a:4222",
		"nats://u:p@a:4222":              "nats://u:xxxxx@a:4222",
		"nats://u:p@ss:w/ord@a":          "nats://u:xxxxx@a",
		"u:p@a,tls://token@b:1":          "u:xxxxx@a,tls://xxxxx@b:1",
		"nats://a,nats://u:p%zz@b,wss:x": "nats://a,nats://u:xxxxx@b,wss:x",
	} {
		if got := maskURLs(list); got != want {
			t.Errorf("%s is shown as %s, want %s", list, got, want)
		}
		if got := maskURLs(want); got != want {
			t.Errorf("%s is masked again, as %s", want, got)
		}
	}
}

// No file costs more than it may.
func TestConfigIsBounded(t *testing.T) {
	_, ctx := parse(t)
	for _, text := range []string{strings.Repeat("#", maxConfig+1), "data: " + strings.Repeat("[", maxNested+1), strings.Repeat("- ", maxNested+1)} {
		if _, err := Parse("x", []byte(text), ctx); err == nil || !strings.HasPrefix(err.Error(), "--config: x ") {
			t.Errorf("%.10q...: %v", text, err)
		}
	}
	for _, text := range []string{"data: " + strings.Repeat("[", maxNested), strings.Repeat("- ", maxNested), strings.Repeat("{a: ", maxNested)} {
		if _, err := Parse("x", []byte(text), ctx); err == nil {
			t.Errorf("%.10q... is a configuration", text)
		}
	}
}

// FuzzConfig reads anything; what is taken for a configuration can be used.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{"", "addr: x:1\n", "count: 0x1_0\nshare: 1e400\n", "cluster: {name: x, peers: [a, 'b']}\n", "a: [", "drain: 5s\n---\n", "name: &a x\ndata: *a", "? a\n: b", "<<: {a: b}", "data: |\n  x\n", "\ufeffname: x"} {
		f.Add([]byte(text))
	}
	_, ctx := parse(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return
		}
		c, err := Parse("x", text, ctx)
		if err != nil {
			return
		}
		for name, s := range c.values {
			if c.flags[name] == nil || s.value == nil || s.at == nil || s.at.Line < 1 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}
