package conformance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

const (
	server = conformance.Server
	client = conformance.Client
	both   = server | client
)

// A mutant is a fault of the peer and the cases that must find it.
type mutant struct {
	fault  string
	roles  conformance.Role
	found  []string // globs
	beside []string // globs of cases that are run with them
	silent bool     // it shows in that nothing comes
	mild   bool     // not strict is what it earns
}

var mutants = []mutant{
	// Messages.
	{fault: "does not echo", roles: both, found: []string{"1.1.2"}, silent: true},
	{fault: "echoes twice", roles: both, found: []string{"1.1.2", "9.1.1"}},
	{fault: "upper case", roles: both, found: []string{"6.2.1"}},
	{fault: "loses a byte of messages beyond 125", roles: both, found: []string{"1.2.3"}},
	{fault: "answers text with binary", roles: both, found: []string{"1.1.1"}},
	{fault: "does not answer empty messages", roles: both, found: []string{"1.2.1"}, silent: true},
	{fault: "sends fragments that all have the opcode", roles: both, found: []string{"1.2.2"}},
	{fault: "never ends a message", roles: both, found: []string{"1.1.2"}, silent: true},
	{fault: "has a limit of 1 MiB", roles: both, found: []string{"9.1.4"}},
	{fault: "allows 1000 fragments", roles: both, found: []string{"9.3.1"}},
	{fault: "forgets all but the last fragment", roles: both, found: []string{"5.3", "10.1.1"}},
	// Headers.
	{fault: "sets a reserved bit", roles: both, found: []string{"1.1.1"}},
	{fault: "uses a reserved opcode", roles: both, found: []string{"1.1.1"}},
	{fault: "writes lengths in 16 bits", roles: both, found: []string{"1.1.2"}},
	{fault: "writes lengths in 64 bits", roles: both, found: []string{"1.1.6"}},
	{fault: "takes long lengths", roles: both, found: []string{"20.1.*"}, mild: true},
	{fault: "clears the highest bit of a length", roles: both, found: []string{"20.2.1"}},
	// Masks.
	{fault: "masks as the other role", roles: both, found: []string{"1.1.1"}},
	{fault: "takes the other role's masking", roles: both, found: []string{"20.[34].1", "20.[34].7"}},
	{fault: "takes the other role's masking of empty frames", roles: both, found: []string{"20.[34].2", "20.[34].5", "20.[34].8"}},
	{fault: "uses half of the mask key", roles: server, found: []string{"1.1.2", "20.5.3"}},
	{fault: "restarts the mask with each read", roles: server, found: []string{"1.1.8"}},
	{fault: "has one mask key", roles: client, found: []string{"20.6.1"}},
	{fault: "has mask key 0", roles: client, found: []string{"20.6.1"}},
	{fault: "counts its mask keys", roles: client, found: []string{"20.6.2"}},
	{fault: "has mask keys of 16 bits", roles: client, found: []string{"20.6.3"}},
	// Reserved bits and opcodes.
	{fault: "takes reserved bits on control frames", roles: both, found: []string{"3.6", "3.7", "20.7.1", "20.7.8", "27.1.1[1-5]"}},
	{fault: "takes reserved bits on an empty close", roles: both, found: []string{"20.7.[1-7]", "27.1.15"}},
	{fault: "takes reserved bits on continuations", roles: both, found: []string{"20.7.11", "20.7.12", "27.1.9", "27.1.10"}},
	{fault: "takes reserved bits on data frames", roles: both, found: []string{"3.[1-5]", "20.7.10", "27.1.17"}},
	{fault: "takes RSV1 on compressed connections' pings", roles: both, found: []string{"27.1.11", "27.1.12", "27.1.13"}},
	{fault: "takes reserved data opcodes", roles: both, found: []string{"4.1.*"}},
	{fault: "takes reserved control opcodes", roles: both, found: []string{"4.2.[345]", "20.7.28"}},
	// Control frames.
	{fault: "takes long control frames", roles: both, found: []string{"2.5", "20.8.1"}},
	{fault: "takes fragmented control frames", roles: both, found: []string{"5.1", "20.8.[6-9]"}},
	{fault: "does not answer pings", roles: both, found: []string{"2.1"}, silent: true},
	{fault: "answers pings without their payload", roles: both, found: []string{"2.2"}},
	{fault: "answers long pings in part", roles: both, found: []string{"2.4", "21.3"}},
	{fault: "answers pings that are not text in part", roles: both, found: []string{"2.3"}},
	{fault: "answers pings twice", roles: both, found: []string{"2.2"}},
	{fault: "answers pings with pings", roles: both, found: []string{"2.2"}, silent: true},
	{fault: "swaps pongs", roles: both, found: []string{"21.1"}},
	{fault: "answers pings when the message has ended", roles: both, found: []string{"5.6", "21.2"}, mild: true},
	{fault: "answers pings between fragments with the fragments", roles: both, found: []string{"5.6"}},
	{fault: "forgets a message upon a ping", roles: both, found: []string{"5.6", "21.2"}},
	{fault: "answers pongs", roles: both, found: []string{"2.7", "2.8", "21.4"}},
	{fault: "minds unasked pongs", roles: both, found: []string{"2.7", "21.6"}},
	// Fragmentation.
	{fault: "takes stray continuations", roles: both, found: []string{"5.9", "5.12"}},
	{fault: "takes nested messages", roles: both, found: []string{"5.18"}},
	// Text.
	{fault: "does not check text", roles: both, found: []string{"6.3.1", "6.8.1", "6.12.1", "6.13.1", "6.16.1"}},
	{fault: "checks text at its end", roles: both, found: []string{"6.4.*"}, mild: true},
	{fault: "wants whole characters in each fragment", roles: both, found: []string{"6.2.3"}},
	{fault: "takes text that ends inside a character", roles: both, found: []string{"6.6.1", "6.14.6"}},
	{fault: "takes surrogates", roles: both, found: []string{"6.20.1", "6.21.1"}},
	{fault: "takes overlong sequences", roles: both, found: []string{"6.17.1", "6.18.1"}},
	{fault: "refuses noncharacters", roles: both, found: []string{"6.22.1", "6.23.6"}},
	{fault: "refuses NUL", roles: both, found: []string{"6.7.1"}},
	{fault: "refuses text with 1002", roles: both, found: []string{"6.3.1"}},
	// Closing.
	{fault: "does not answer close frames", roles: both, found: []string{"7.3.3"}},
	{fault: "keeps the stream open after closing", roles: server, found: []string{"7.3.3"}, silent: true},
	{fault: "answers close frames with 1005", roles: both, found: []string{"7.3.1"}},
	{fault: "answers close frames with 1011", roles: both, found: []string{"7.3.3", "7.7.2"}},
	{fault: "answers close frames with one byte", roles: both, found: []string{"7.3.1"}},
	{fault: "answers close frames with a broken reason", roles: both, found: []string{"7.3.4"}},
	{fault: "answers close frames twice", roles: both, found: []string{"7.3.3"}},
	{fault: "says a word after its close frame", roles: both, found: []string{"7.3.3"}},
	{fault: "echoes after its close frame", roles: both, found: []string{"7.1.4", "22.1.1"}},
	{fault: "answers pings after its close frame", roles: both, found: []string{"7.1.3"}},
	{fault: "takes close frames of one byte", roles: both, found: []string{"7.3.2"}},
	{fault: "takes reserved close codes", roles: both, found: []string{"7.9.3", "7.9.4", "7.9.5", "7.9.6", "22.4.4"}},
	{fault: "takes close codes below 1000", roles: both, found: []string{"7.9.1", "7.9.2", "22.4.1"}},
	{fault: "refuses close codes from 3000 on", roles: both, found: []string{"7.7.10", "7.7.13"}},
	{fault: "refuses registered close codes", roles: both, found: []string{"22.3.*"}, mild: true},
	{fault: "takes reasons that are not UTF-8", roles: both, found: []string{"7.5.1", "22.6.*"}},
	{fault: "drops when it refuses", roles: both, found: []string{"3.1", "7.3.2"}, mild: true},
	{fault: "refuses with 1000", roles: both, found: []string{"3.1", "5.1", "20.2.3"}},
	{fault: "ignores the end of the stream", roles: both, found: []string{"22.2.1", "22.2.5"}, silent: true},
	// Handshakes.
	{fault: "loses what came with the handshake", roles: server, found: []string{"25.1.1"}, silent: true, mild: true},
	{fault: "loses what came with the handshake", roles: client, found: []string{"25.2.1"}, silent: true},
	{fault: "minds the case of header names", roles: both, found: []string{"23.1.3", "23.1.4", "24.2.1", "24.2.2"}},
	{fault: "minds the case of values", roles: both, found: []string{"23.1.5", "23.1.6", "24.2.3", "24.2.4"}},
	{fault: "wants Connection to be Upgrade alone", roles: both, found: []string{"23.1.7", "24.2.5"}},
	{fault: "looks at the first of several headers", roles: server, found: []string{"23.1.8"}},
	{fault: "looks for words in headers", roles: both, found: []string{"23.2.8", "23.2.11", "24.3.11", "24.3.14"}},
	{fault: "needs no Upgrade", roles: both, found: []string{"23.2.6", "23.2.7", "24.3.9", "24.3.10"}},
	{fault: "needs no Connection", roles: both, found: []string{"23.2.9", "23.2.10", "24.3.12", "24.3.13"}},
	{fault: "has no limit for headers", roles: both, found: []string{"23.4.*", "24.3.28"}, mild: true},
	{fault: "drops folded lines", roles: server, found: []string{"23.3.11"}},
	{fault: "skips lines without a colon", roles: both, found: []string{"23.2.32", "24.3.26"}},
	{fault: "takes spaces before a colon", roles: server, found: []string{"23.2.31"}},
	{fault: "takes control characters in values", roles: server, found: []string{"23.2.33", "23.2.34"}},
	{fault: "skips malformed extensions", roles: client, found: []string{"24.3.24"}},
	{fault: "skips malformed extensions", roles: server, found: []string{"23.2.38"}},
	{fault: "takes any method", roles: server, found: []string{"23.2.1", "23.2.2", "23.2.3"}},
	{fault: "takes any request line", roles: server, found: []string{"23.2.35", "23.2.4"}},
	{fault: "answers anything with 101", roles: server, found: []string{"23.2.36", "23.2.35", "23.2.6"}},
	{fault: "says nothing to malformed requests", roles: server, found: []string{"23.2.31", "23.3.10", "23.3.12"}, mild: true},
	{fault: "takes HTTP/1.0", roles: server, found: []string{"23.2.4"}},
	{fault: "wants a path in the request line", roles: server, found: []string{"23.1.13"}},
	{fault: "needs no Host", roles: server, found: []string{"23.2.5"}},
	{fault: "takes two Hosts", roles: server, found: []string{"23.2.30"}},
	{fault: "needs no version", roles: server, found: []string{"23.2.19"}},
	{fault: "takes any version", roles: server, found: []string{"23.2.20", "23.2.22"}},
	{fault: "does not name its version", roles: server, found: []string{"23.2.2[0-8]"}},
	{fault: "minds the grammar of versions first", roles: server, found: []string{"23.2.25", "23.2.27", "23.2.28"}, mild: true},
	{fault: "answers 426 without Upgrade", roles: server, found: []string{"23.2.20"}},
	{fault: "answers 405 without Allow", roles: server, found: []string{"23.2.1"}},
	{fault: "answers with Content-Length", roles: server, found: []string{"23.1.1"}},
	{fault: "answers with Transfer-Encoding", roles: server, found: []string{"23.1.1"}},
	{fault: "takes two versions", roles: server, found: []string{"23.2.29"}, mild: true},
	{fault: "needs no key", roles: server, found: []string{"23.2.12"}},
	{fault: "takes two keys", roles: server, found: []string{"23.2.18"}, mild: true},
	{fault: "takes keys of any length", roles: server, found: []string{"23.2.13", "23.2.14", "23.2.15"}},
	{fault: "takes any key", roles: server, found: []string{"23.2.16", "23.2.17"}},
	{fault: "hashes its own key", roles: server, found: []string{"23.1.1"}},
	{fault: "forgets to pad", roles: server, found: []string{"23.1.2"}},
	{fault: "answers with status 200", roles: server, found: []string{"23.1.1"}},
	{fault: "answers with HTTP/1.0", roles: server, found: []string{"23.1.1"}},
	{fault: "answers without Upgrade", roles: server, found: []string{"23.1.1"}},
	{fault: "answers without Connection", roles: server, found: []string{"23.1.1"}},
	{fault: "answers with two accepts", roles: server, found: []string{"23.1.1"}},
	{fault: "answers an unasked subprotocol", roles: server, found: []string{"23.3.1"}},
	{fault: "answers with all subprotocols", roles: server, found: []string{"23.3.2"}},
	{fault: "repeats every extension", roles: server, found: []string{"23.3.8"}},
	{fault: "compresses unasked", roles: server, found: []string{"23.3.9"}},
	{fault: "has one key", roles: client, found: []string{"24.1.2"}, beside: []string{"24.1.1"}},
	{fault: "has a short key", roles: client, found: []string{"24.1.1"}},
	{fault: "asks with POST", roles: client, found: []string{"24.1.1"}},
	{fault: "asks with HTTP/1.0", roles: client, found: []string{"24.1.1"}},
	{fault: "asks for version 8", roles: client, found: []string{"24.1.1"}},
	{fault: "asks without Host", roles: client, found: []string{"24.1.1"}},
	{fault: "asks without Upgrade", roles: client, found: []string{"24.1.1"}},
	{fault: "asks without Connection", roles: client, found: []string{"24.1.1"}},
	{fault: "asks without Sec-WebSocket-Key", roles: client, found: []string{"24.1.1"}},
	{fault: "asks without Sec-WebSocket-Version", roles: client, found: []string{"24.1.1"}},
	{fault: "asks with the user in Host", roles: client, found: []string{"24.1.1"}},
	{fault: "asks without the port", roles: client, found: []string{"24.1.4"}, mild: true},
	{fault: "asks with two keys", roles: client, found: []string{"24.1.1"}},
	{fault: "asks with an absolute URI", roles: client, found: []string{"24.1.3"}, mild: true},
	{fault: "offers an invalid window", roles: client, found: []string{"24.1.1"}},
	{fault: "takes any protocol", roles: client, found: []string{"24.3.25"}},
	{fault: "takes any status", roles: client, found: []string{"24.3.[1-7]"}},
	{fault: "looks for 101", roles: client, found: []string{"24.3.8"}},
	{fault: "minds interim answers", roles: client, found: []string{"24.2.11", "24.2.12"}},
	{fault: "reads one interim answer", roles: client, found: []string{"24.2.12"}},
	{fault: "wants a reason phrase", roles: client, found: []string{"24.2.8"}},
	{fault: "does not look at the accept value", roles: client, found: []string{"24.3.15", "24.3.16", "24.3.17", "24.3.18"}},
	{fault: "compares the accept value without case", roles: client, found: []string{"24.3.19"}},
	{fault: "compares the beginning of the accept value", roles: client, found: []string{"24.3.20"}},
	{fault: "takes two accept values", roles: client, found: []string{"24.3.21"}},
	{fault: "takes unasked subprotocols", roles: client, found: []string{"24.3.22"}},
	{fault: "takes unasked extensions", roles: client, found: []string{"24.3.23", "26.5.15"}},
	// Compression.
	{fault: "compresses without RSV1", roles: both, found: []string{"12.2.5", "27.1.1"}},
	{fault: "sets RSV1 on continuations", roles: both, found: []string{"12.2.5"}},
	{fault: "leaves the tail on", roles: both, found: []string{"12.3.5"}},
	{fault: "spoils its stream", roles: both, found: []string{"12.1.1"}},
	{fault: "inflates without context", roles: both, found: []string{"12.1.5", "27.3.1", "27.3.7", "26.[14].1"}},
	{fault: "keeps a window of 4 KiB", roles: both, found: []string{"27.3.4"}},
	{fault: "keeps uncompressed messages in the window", roles: both, found: []string{"27.3.5"}},
	{fault: "keeps its context against the agreement", roles: both, found: []string{"13.2.5", "27.3.8"}},
	{fault: "exceeds its window", roles: both, found: []string{"13.3.5", "26.2.2", "26.4.7"}},
	{fault: "stops at a final block", roles: both, found: []string{"27.2.4"}},
	{fault: "takes broken streams", roles: both, found: []string{"27.4.1", "27.4.3", "27.4.6"}},
	{fault: "does not check compressed text", roles: both, found: []string{"27.1.18", "27.1.19"}},
	{fault: "takes doubled parameters", roles: both, found: []string{"26.3.16", "26.3.18", "26.5.9"}},
	{fault: "takes values where there are none", roles: both, found: []string{"26.3.12", "26.3.13", "26.5.7", "26.5.8"}},
	{fault: "takes invalid windows", roles: both, found: []string{"26.3.1", "26.3.4", "26.3.8", "26.5.3", "26.5.10"}},
	{fault: "takes unknown parameters", roles: both, found: []string{"26.3.14", "26.3.15", "26.5.1", "26.5.2"}},
	{fault: "does not answer server_no_context_takeover", roles: server, found: []string{"26.1.6"}},
	{fault: "does not answer server_max_window_bits", roles: server, found: []string{"26.2.*"}},
	{fault: "answers server_max_window_bits=12", roles: server, found: []string{"26.2.2"}},
	{fault: "answers client_max_window_bits=15", roles: server, found: []string{"26.1.3"}},
	{fault: "answers client_max_window_bits unoffered", roles: server, found: []string{"26.1.1"}},
	{fault: "answers with an invalid window", roles: server, found: []string{"26.1.1"}},
	{fault: "answers with an unknown parameter", roles: server, found: []string{"26.1.1"}},
	{fault: "takes an unoffered window", roles: client, found: []string{"26.5.13"}},
	{fault: "takes a greater window", roles: client, found: []string{"26.5.16"}},
	{fault: "takes an extension twice", roles: client, found: []string{"26.5.14"}},
	{fault: "ignores the answered window", roles: client, found: []string{"26.4.7", "13.3.5"}},
	{fault: "ignores client_no_context_takeover", roles: client, found: []string{"26.4.3", "13.2.5"}},
}

// offerFor is what a client must offer to fall for a fault.
func offerFor(fault string) string {
	switch fault {
	case "takes an unoffered window":
		return "permessage-deflate"
	case "takes a greater window":
		return "permessage-deflate; server_max_window_bits=10"
	}
	return fullOffer
}

// applicable returns the globs that match a case for the role.
func applicable(role conformance.Role, globs []string) []string {
	var some []string
	for _, g := range globs {
		if _, err := conformance.Select(role, g); err == nil {
			some = append(some, g)
		}
	}
	return some
}

func TestMutants(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		for _, role := range []conformance.Role{server, client} {
			if m.roles&role == 0 {
				continue
			}
			t.Run(role.String()+" "+m.fault, func(t *testing.T) {
				t.Parallel()
				r := small()
				if m.silent {
					r.Patience = time.Second
				}
				if m.fault == "checks text at its end" {
					r.Grace = 100 * time.Millisecond
				}
				globs := applicable(role, m.found)
				if len(globs) == 0 {
					t.Fatal("no case can find it")
				}
				globs = append(globs, m.beside...)
				faults := map[string]bool{m.fault: true}
				var results []conformance.Result
				if role == server {
					results = runServer(t, r, faults, globs...)
				} else {
					results = runClient(t, r, faults, offerFor(m.fault), globs...)
				}
				if _, ok := asked.Load(m.fault); !ok {
					t.Error("the peer has no such switch")
				}
				want := conformance.Fail
				if m.mild {
					want = conformance.NotStrict
				}
				for _, res := range results {
					if res.Verdict != want && !slices.Contains(m.beside, res.ID) {
						t.Errorf("%s %s: %v, expected %v: %s", res.ID, res.Title, res.Verdict, want, res.Reason)
					}
				}
			})
		}
	}
}
