package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/tidewire/tidewire/conformance"
)

// verdicts is what the cases say of one peer.
type verdicts struct {
	peer
	server, client []conformance.Result
}

const preface = `# Conformance, side by side

What the cases of [conformance](../conformance) say of Tidewire's ` + "`ws`" + ` and of other WebSocket libraries. One command in the
folder ` + "`interop`" + ` plays them all and writes this page:

    go run ./verdicts

Each library is an echo set up as its own documentation shows: messages up to 32 MiB, compression with context where it has
that. Where a library leaves UTF-8 to the application (gorilla), the echo checks it as gorilla's own Autobahn program does. gobwas runs as
wsutil's functions, without wsflate. GoWebsocket cannot be had from the module proxy here; it is a layer of callbacks over gorilla. A case
that fails tells of the library and of its defaults alike: some are limits that an option moves (npm's ws and the
number of fragments). gws as a client, with its context kept, at times spoils what it compresses (see
[interop](../interop)): its count in group 9 moves by a few from run to run.

**pass** alone is a number. *lax* is not strict: no MUST was broken, but something that the RFC recommends was left out, or a fault of
the other side was let pass. *unsup* needs what was not negotiated. *info* tells what the peer does where the RFC leaves it open.
` + "`tidewire check URL --only 6.4.1 -v`" + ` shows the bytes of a case.
`

// render makes the page.
func render(all []verdicts, goVersion string) string {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("\nVersions: ")
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", v.name, versionOf(v.peer))
	}
	fmt.Fprintf(&b, "; %s.\n", goVersion)
	for _, role := range []conformance.Role{conformance.Server, conformance.Client} {
		fmt.Fprintf(&b, "\n## As a %v\n\n", role)
		table(&b, all, role)
	}
	for _, v := range all {
		details(&b, v)
	}
	return b.String()
}

func (v verdicts) as(role conformance.Role) []conformance.Result {
	if role == conformance.Server {
		return v.server
	}
	return v.client
}

// versionOf is a module's version in this build.
func versionOf(p peer) string {
	if p.version != "" {
		return p.version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == p.module && m.Replace == nil {
				return m.Version
			}
		}
	}
	return "(this checkout)"
}

// table has a row for each group of cases and a column for each peer.
func table(b *strings.Builder, all []verdicts, role conformance.Role) {
	b.WriteString("| group |")
	for _, v := range all {
		fmt.Fprintf(b, " %s |", v.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(all)) + "\n")
	row := func(name string, of func(conformance.Result) bool) {
		fmt.Fprintf(b, "| %s |", name)
		for _, v := range all {
			var some []conformance.Result
			for _, res := range v.as(role) {
				if of(res) {
					some = append(some, res)
				}
			}
			fmt.Fprintf(b, " %s |", cell(conformance.Count(some)))
		}
		b.WriteString("\n")
	}
	seen := make(map[string]bool)
	for _, c := range conformance.Cases() {
		if c.Roles&role == 0 || seen[c.Group] {
			continue
		}
		seen[c.Group] = true
		number, _, _ := strings.Cut(c.ID, ".")
		row(number+" "+c.Group, func(res conformance.Result) bool { return res.Group == c.Group })
	}
	row("**all**", func(conformance.Result) bool { return true })
}

// cell is a count such as "141, 4 lax".
func cell(n conformance.Counts) string {
	parts := []string{fmt.Sprint(n[conformance.Pass])}
	for _, v := range []struct {
		verdict conformance.Verdict
		name    string
	}{{conformance.NotStrict, "lax"}, {conformance.Fail, "**fail**"}, {conformance.Unsupported, "unsup"}, {conformance.Informational, "info"}} {
		if k := n[v.verdict]; k > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k, v.name))
		}
	}
	return strings.Join(parts, ", ")
}

// details lists what a peer did not pass: a line for neighbouring cases with the
// same verdict, with the first one's title and reason.
func details(b *strings.Builder, v verdicts) {
	fmt.Fprintf(b, "\n## %s: what did not pass\n", v.name)
	for _, role := range []conformance.Role{conformance.Server, conformance.Client} {
		var lines []string
		results := v.as(role)
		for i := 0; i < len(results); {
			first := results[i]
			j := i + 1
			for j < len(results) && results[j].Verdict == first.Verdict && family(results[j].ID) == family(first.ID) {
				j++
			}
			if first.Verdict == conformance.NotStrict || first.Verdict == conformance.Fail {
				ids := first.ID
				if j > i+1 {
					ids += " to " + results[j-1].ID
				}
				lines = append(lines, fmt.Sprintf("| %s | %v | %s: %s | %s |",
					ids, first.Verdict, plain(first.Title), plain(first.Reason), first.Section))
			}
			i = j
		}
		if len(lines) == 0 {
			fmt.Fprintf(b, "\nAs a %v: nothing.\n", role)
			continue
		}
		fmt.Fprintf(b, "\nAs a %v:\n\n| cases | verdict | the first of them | rule |\n|---|---|---|---|\n%s\n", role, strings.Join(lines, "\n"))
	}
}

// family is what cases have in common whose IDs differ in the last number alone.
func family(id string) string {
	if i := strings.LastIndexByte(id, '.'); i >= 0 {
		return id[:i]
	}
	return id
}

// plain escapes what means something in a table of Markdown, and cuts what is long.
func plain(s string) string {
	if r := []rune(s); len(r) > 110 {
		s = string(r[:110]) + "…"
	}
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '|', '`', '*', '_', '<', '>', '\\':
			b.WriteByte('\\')
		case '\n', '\r':
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
