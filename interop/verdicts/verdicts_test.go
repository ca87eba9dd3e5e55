package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

const (
	server = conformance.Server
	client = conformance.Client
	both   = server | client

	pass   = conformance.Pass
	lax    = conformance.NotStrict
	fail   = conformance.Fail
	silent = conformance.Unsupported
)

// expectation says what is known of a peer: from its documents, its source, or
// its results in the Autobahn suite.
type expectation struct {
	peer    peer
	roles   conformance.Role
	verdict conformance.Verdict
	globs   []string
}

// autobahnBasics are groups 1 to 7, less the cases that one of the known-good peers
// is known for.
var autobahnBasics = []string{"[1-7].*", "-6.4.*", "-7.3.2", "-7.13.*"}

var expectations = []expectation{
	{ours, both, pass, []string{"[1-7].*", "20.*", "2[1-7].*", "-7.13.*", "-26.5.13", "-26.5.16", "-9.*", "-27.5.*"}},
	// gorilla, gws and npm's ws pass the Autobahn suite; text is judged when the message has ended.
	{gorillaPeer, both, pass, autobahnBasics},
	{gwsPeer, both, pass, autobahnBasics},
	{npmPeer, both, pass, autobahnBasics},
	{gorillaPeer, both, lax, []string{"6.4.*"}},
	{gwsPeer, both, lax, []string{"6.4.*"}},
	{npmPeer, both, lax, []string{"6.4.*"}},
	{npmPeer, both, pass, []string{"7.3.2"}},
	// A window demanded of the server: gorilla leaves the answer out, gws answers 12.
	{gorillaPeer, server, fail, []string{"26.2.*"}},
	{gwsPeer, server, fail, []string{"26.2.[123]"}},
	{npmPeer, server, pass, []string{"26.2.[23456]"}},
	// gorilla's client wants both no_context_takeover parameters in the answer.
	{gorillaPeer, client, fail, []string{"27.3.7"}},
	// coder does not look at text.
	{coderPeer, both, pass, []string{"[1-5].*", "6.[125].*", "7.*", "-7.5.1", "-7.13.*"}},
	{coderPeer, both, fail, []string{"6.[34].*", "6.6.1", "6.12.*", "6.20.*", "7.5.1"}},
	// wsutil drops the connection where it refuses; it is right in what it refuses.
	{gobwasPeer, both, lax, []string{"3.*", "4.*", "6.[34].*", "6.12.*"}},
	{gobwasPeer, server, pass, []string{"1.*", "5.[3-8]", "6.2.*", "7.9.*"}},
	{gobwasPeer, client, fail, []string{"7.9.*"}}, // the close frame is not masked
	{gobwasPeer, both, silent, []string{"12.1.1", "13.1.1", "27.1.1"}},
	// x/net has no checks.
	{xnetPeer, both, pass, []string{"1.*", "2.[1-4]", "7.1.1"}},
	{xnetPeer, both, fail, []string{"3.*", "4.*", "5.[1-5]", "5.18", "6.3.*", "7.9.*"}},
	{xnetPeer, both, silent, []string{"12.1.1", "27.1.1"}},
	// Frames that come with the handshake are lost by who drops net/http's reader.
	{gwsPeer, server, lax, []string{"25.1.1"}},
	{gobwasPeer, server, lax, []string{"25.1.1"}},
	{gorillaPeer, server, conformance.Informational, []string{"25.*"}}, // it refuses them
	{coderPeer, server, pass, []string{"25.*"}},
	{npmPeer, server, pass, []string{"25.*"}},
}

// quick gives up on a silent peer early: no expectation here is of a slow answer
// but those whose verdict is that nothing comes.
func quick(e expectation) *conformance.Runner {
	r := &conformance.Runner{Patience: 20 * time.Second, Timeout: time.Minute, Volume: 16 << 10}
	if e.verdict == fail || e.verdict == lax && e.globs[0] == "25.1.1" {
		r.Patience = 2 * time.Second
	}
	return r
}

func TestKnownVerdicts(t *testing.T) {
	for _, e := range expectations {
		for _, role := range []conformance.Role{server, client} {
			if e.roles&role == 0 {
				continue
			}
			t.Run(strings.Join([]string{e.peer.name, role.String(), e.verdict.String(), e.globs[0]}, " "), func(t *testing.T) {
				var globs []string
				for _, g := range e.globs {
					if _, err := conformance.Select(role, strings.TrimPrefix(g, "-")); err == nil {
						globs = append(globs, g)
					}
				}
				var results []conformance.Result
				var err error
				if role == server {
					results, err = asServer(context.Background(), e.peer, quick(e), globs...)
				} else {
					results, err = asClient(context.Background(), e.peer, quick(e), globs...)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, res := range results {
					if res.Verdict != e.verdict {
						t.Errorf("%s %s: %v, expected %v: %s", res.ID, res.Title, res.Verdict, e.verdict, res.Reason)
					}
				}
			})
		}
	}
}

func TestPage(t *testing.T) {
	p := peer{name: "nobody", version: "0"}
	res := func(id, group string, v conformance.Verdict, reason string) conformance.Result {
		return conformance.Result{Case: conformance.Case{ID: id, Group: group, Title: "T", Section: "RFC 1"}, Verdict: v, Reason: reason}
	}
	page := render([]verdicts{{peer: p, server: []conformance.Result{
		res("1.1.1", "Framing", pass, ""), res("2.1", "Pings and pongs", fail, "a|b_c"), res("2.2", "Pings and pongs", fail, "c"),
		res("2.3", "Pings and pongs", lax, "d"),
	}}}, "go")
	for _, want := range []string{
		"Versions: nobody 0; go.", "| 1 Framing | 1 |", "| 2 Pings and pongs | 0, 1 lax, 2 **fail** |", "| **all** | 1, 1 lax, 2 **fail** |",
		"| 2.1 to 2.2 | fail | T: a\\|b\\_c | RFC 1 |", "| 2.3 | not strict | T: d | RFC 1 |", "As a client: nothing.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
