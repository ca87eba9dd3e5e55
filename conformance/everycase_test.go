//go:build !race

package conformance_test

import (
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// ruinous are faults of every handshake. They say nothing about a case that is
// not about handshakes.
var ruinous = []string{
	"answers anything with 101", "answers with Content-Length", "answers with Transfer-Encoding", "asks with the user in Host", "answers an unasked subprotocol", "answers with HTTP/1.0", "answers with status 200",
	"answers with two accepts", "answers without Connection", "answers without Upgrade", "forgets to pad", "hashes its own key",
	"asks for version 8", "asks with HTTP/1.0", "asks with POST", "asks with two keys", "asks without Connection", "asks without Host",
	"asks without Sec-WebSocket-Key", "asks without Sec-WebSocket-Version", "asks without Upgrade", "has a short key",
	"offers an invalid window", "loses what came with the handshake",
}

var everyCase = flag.Bool("every.case", false, "whether TestEveryCaseCanFail tries the heavy cases, too, which take a minute")

// TestEveryCaseCanFail looks for a fault that each case finds: a case that
// nothing can make fail is worth nothing.
func TestEveryCaseCanFail(t *testing.T) {
	for _, role := range []conformance.Role{server, client} {
		t.Run(role.String(), func(t *testing.T) {
			t.Parallel()
			left := make(map[string]bool)
			without := heavy
			if *everyCase {
				without = nil
			}
			cases, err := conformance.Select(role, without...)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				left[c.ID] = true
			}
			// The first three find most; then each fault is tried on what is left.
			faults := []string{"upper case", "refuses with 1000", "answers close frames twice"}
			for _, m := range mutants {
				if m.roles&role != 0 && !slices.Contains(ruinous, m.fault) && !m.silent {
					faults = append(faults, m.fault)
				}
			}
			for _, m := range mutants { // these take time, or count for handshakes alone
				if m.roles&role != 0 && (m.silent || slices.Contains(ruinous, m.fault)) {
					faults = append(faults, m.fault)
				}
			}
			for _, fault := range faults {
				var globs []string
				for id := range left {
					if handshakes := strings.HasPrefix(id, "23.") || strings.HasPrefix(id, "24."); handshakes || !slices.Contains(ruinous, fault) {
						globs = append(globs, id)
					}
				}
				if len(globs) == 0 {
					continue
				}
				r := &conformance.Runner{Volume: 4 << 10, Patience: 5 * time.Second, Grace: 100 * time.Millisecond, Timeout: 20 * time.Second}
				if len(globs) < 20 {
					r.Patience = time.Second // what is wrong may be that nothing comes
				}
				faulty := map[string]bool{fault: true}
				var results []conformance.Result
				if role == server {
					results = runServer(t, r, faulty, globs...)
				} else {
					results = runClient(t, r, faulty, offerFor(fault), globs...)
				}
				for _, res := range results {
					if res.Verdict == conformance.Fail || res.Verdict == conformance.NotStrict {
						delete(left, res.ID)
					}
				}
			}
			for id := range left {
				t.Errorf("no fault makes %s fail", id)
			}
		})
	}
}
