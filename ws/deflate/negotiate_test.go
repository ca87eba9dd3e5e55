package deflate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

// params makes the expectation of a test readable: flags and both windows.
func params(flags string, server, client int) deflate.Params {
	return deflate.Params{
		ServerNoContextTakeover: strings.Contains(flags, "s"),
		ClientNoContextTakeover: strings.Contains(flags, "c"),
		ServerMaxWindowBits:     server,
		ClientMaxWindowBits:     client,
	}
}

func TestNegotiate(t *testing.T) {
	const pmd = "permessage-deflate"
	alone := deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true}
	small := deflate.Options{WindowBits: 11, PeerWindowBits: 12}
	tests := []struct {
		o        deflate.Options
		offers   []string
		response string // "" declines
		params   deflate.Params
	}{
		{offers: nil},
		{offers: []string{""}},
		{offers: []string{"foo, bar; baz=1"}},
		{offers: []string{pmd}, response: pmd, params: params("", 15, 15)},
		{offers: []string{"x-webkit-deflate-frame, " + pmd}, response: pmd, params: params("", 15, 15)},
		{offers: []string{"foo; x=\"a\", ,", pmd}, response: pmd, params: params("", 15, 15)},
		// What browsers offer. client_max_window_bits is not answered without need.
		{offers: []string{pmd + "; client_max_window_bits"}, response: pmd, params: params("", 15, 15)},
		{offers: []string{pmd + "; client_max_window_bits=10"}, response: pmd + "; client_max_window_bits=10", params: params("", 15, 10)},
		{offers: []string{pmd + "; client_max_window_bits=15"}, response: pmd, params: params("", 15, 15)},
		// server_max_window_bits is always answered, with no larger value.
		{offers: []string{pmd + "; server_max_window_bits=9"}, response: pmd + "; server_max_window_bits=9", params: params("", 9, 15)},
		{offers: []string{pmd + ";server_max_window_bits=8"}, response: pmd + "; server_max_window_bits=8", params: params("", 8, 15)},
		{offers: []string{pmd + "; server_max_window_bits=15"}, response: pmd + "; server_max_window_bits=15", params: params("", 15, 15)},
		{offers: []string{pmd + "; server_max_window_bits = \"10\""}, response: pmd + "; server_max_window_bits=10", params: params("", 10, 15)},
		{offers: []string{pmd + "; server_max_window_bits=\"1\\0\""}, response: pmd + "; server_max_window_bits=10", params: params("", 10, 15)},
		{o: small, offers: []string{pmd + "; server_max_window_bits=14"}, response: pmd + "; server_max_window_bits=11", params: params("", 11, 15)},
		{o: small, offers: []string{pmd + "; server_max_window_bits=9"}, response: pmd + "; server_max_window_bits=9", params: params("", 9, 15)},
		// Asked for unoffered: only what the RFC allows.
		{o: small, offers: []string{pmd}, response: pmd + "; server_max_window_bits=11", params: params("", 11, 15)},
		{o: small, offers: []string{pmd + "; client_max_window_bits"}, response: pmd + "; server_max_window_bits=11; client_max_window_bits=12", params: params("", 11, 12)},
		{o: small, offers: []string{pmd + "; client_max_window_bits=10"}, response: pmd + "; server_max_window_bits=11; client_max_window_bits=10", params: params("", 11, 10)},
		{o: small, offers: []string{pmd + "; client_max_window_bits=14"}, response: pmd + "; server_max_window_bits=11; client_max_window_bits=12", params: params("", 11, 12)},
		{o: alone, offers: []string{pmd}, response: pmd + "; server_no_context_takeover; client_no_context_takeover", params: params("sc", 15, 15)},
		{offers: []string{pmd + "; server_no_context_takeover"}, response: pmd + "; server_no_context_takeover", params: params("s", 15, 15)},
		{offers: []string{pmd + "; client_no_context_takeover"}, response: pmd + "; client_no_context_takeover", params: params("c", 15, 15)},
		// Offers that must be declined, and the next one.
		{offers: []string{pmd + "; unknown"}},
		{offers: []string{pmd + "; unknown, " + pmd}, response: pmd, params: params("", 15, 15)},
		{offers: []string{pmd + "; server_max_window_bits=7", pmd + "; server_max_window_bits=12"}, response: pmd + "; server_max_window_bits=12", params: params("", 12, 15)},
		{offers: []string{pmd + "; server_no_context_takeover, " + pmd}, response: pmd + "; server_no_context_takeover", params: params("s", 15, 15)},
		{offers: []string{pmd + "; server_no_context_takeover=1"}},
		{offers: []string{pmd + "; client_no_context_takeover=\"true\""}},
		{offers: []string{pmd + "; server_no_context_takeover; server_no_context_takeover"}},
		{offers: []string{pmd + "; client_no_context_takeover; client_no_context_takeover"}},
		{offers: []string{pmd + "; server_max_window_bits"}},
		{offers: []string{pmd + "; server_max_window_bits=10; server_max_window_bits=10"}},
		{offers: []string{pmd + "; client_max_window_bits; client_max_window_bits"}},
		{offers: []string{pmd + "; client_max_window_bits; client_max_window_bits=10"}},
		{offers: []string{pmd + "; Server_no_context_takeover"}},
		{offers: []string{"Permessage-Deflate"}},
		// Not a list of extensions at all: nothing is offered, not even before.
		{offers: []string{pmd + ";"}},
		{offers: []string{pmd + " foo"}},
		{offers: []string{pmd + ", foo; ="}},
		{offers: []string{pmd + ", foo; a="}},
		{offers: []string{pmd + ", foo; a=\"\""}},
		{offers: []string{pmd + ", foo; a=\"b c\""}},
		{offers: []string{pmd + ", foo; a=\"b"}},
		{offers: []string{pmd + ", foo; a=\"b\\"}},
		{offers: []string{pmd + ", =foo"}},
		{offers: []string{pmd, "foo/bar"}},
		{offers: []string{pmd + "; client_max_window_bits=\"10\"x"}},
		{offers: []string{pmd + "\x00"}},
		{offers: []string{pmd + "\r\nEvil: 1"}},
	}
	for _, v := range []string{"0", "1", "7", "16", "08", "010", "+9", "-9", "9.0", "1.", "1:", "1a", "a", "99", "0x9", "18446744073709551625"} {
		for _, name := range []string{"server", "client"} {
			tests = append(tests, struct {
				o        deflate.Options
				offers   []string
				response string
				params   deflate.Params
			}{offers: []string{fmt.Sprintf("%s; %s_max_window_bits=%s", pmd, name, v)}})
		}
	}
	for _, tt := range tests {
		p, response, ok := tt.o.Negotiate(tt.offers)
		if ok != (tt.response != "") || response != tt.response || p != tt.params {
			t.Errorf("%q with %+v:\n got %v %q %+v\nwant %q %+v", tt.offers, tt.o, ok, response, p, tt.response, tt.params)
		}
	}
}

// everyOptions are all combinations of what an endpoint can ask for.
func everyOptions() []deflate.Options {
	var all []deflate.Options
	for i := range 4 {
		for _, bits := range []int{0, 9, 12, 15} {
			for _, peer := range []int{0, 9, 12, 15} {
				all = append(all, deflate.Options{
					NoContextTakeover: i&1 != 0, PeerNoContextTakeover: i&2 != 0,
					WindowBits: bits, PeerWindowBits: peer,
				})
			}
		}
	}
	return all
}

// Both roles come to the same parameters, and each gets what it asked for.
func TestRolesAgree(t *testing.T) {
	for _, server := range everyOptions() {
		for _, client := range everyOptions() {
			atServer, response, ok := server.Negotiate([]string{client.Offer()})
			if !ok {
				t.Fatalf("%+v declines %q", server, client.Offer())
			}
			atClient, ok, err := client.Confirm([]string{response})
			if err != nil || !ok {
				t.Fatalf("%+v offers %q, answered %q: %v, %v", client, client.Offer(), response, ok, err)
			}
			// The client may bind itself to less than was answered.
			if atServer.ClientMaxWindowBits < atClient.ClientMaxWindowBits {
				t.Fatalf("%q answers %q: the server expects %+v, the client %+v", response, client.Offer(), atServer, atClient)
			}
			atServer.ClientMaxWindowBits = atClient.ClientMaxWindowBits
			if atServer != atClient {
				t.Fatalf("%q answers %q: the server has %+v, the client %+v", response, client.Offer(), atServer, atClient)
			}
			for _, end := range []struct {
				o             deflate.Options
				alone, peer   bool
				own, peerBits int
			}{
				{server, atServer.ServerNoContextTakeover, atServer.ClientNoContextTakeover, atServer.ServerMaxWindowBits, atServer.ClientMaxWindowBits},
				{client, atServer.ClientNoContextTakeover, atServer.ServerNoContextTakeover, atServer.ClientMaxWindowBits, atServer.ServerMaxWindowBits},
			} {
				if end.o.NoContextTakeover && !end.alone || end.o.PeerNoContextTakeover && !end.peer ||
					end.o.WindowBits != 0 && end.own > end.o.WindowBits || end.o.PeerWindowBits != 0 && end.peerBits > end.o.PeerWindowBits {
					t.Fatalf("%q answers %q: %+v did not get what it asked for: %+v", response, client.Offer(), end.o, atServer)
				}
			}
		}
	}
}

func optionsOf(n byte) *deflate.Options {
	all := everyOptions()
	return &all[int(n)%len(all)]
}

func FuzzNegotiate(f *testing.F) {
	for i, s := range []string{"permessage-deflate", "permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\"",
		"foo; bar=\"a\\b\", permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_max_window_bits=8,permessage-deflate", ",,;=\""} {
		f.Add(s, byte(i))
	}
	f.Fuzz(func(t *testing.T, header string, options byte) {
		o := optionsOf(options)
		p, response, ok := o.Negotiate(strings.Split(header, "\n"))
		if !ok {
			if response != "" || p != (deflate.Params{}) {
				t.Fatalf("declined with %q, %+v", response, p)
			}
			return
		}
		if !strings.Contains(header, "permessage-deflate") {
			t.Fatalf("accepted %q", header)
		}
		if p.ServerMaxWindowBits < 8 || p.ServerMaxWindowBits > 15 || p.ClientMaxWindowBits < 8 || p.ClientMaxWindowBits > 15 {
			t.Fatalf("%q gives %+v", header, p)
		}
		if strings.Contains(response, "client_max_window_bits") && !strings.Contains(header, "client_max_window_bits") {
			t.Fatalf("%q is answered %q", header, response)
		}
		// A client that offered everything can live with the answer, and reads
		// the same from it.
		got, ok, err := (&deflate.Options{}).Confirm([]string{response})
		if !ok || err != nil || got != p {
			t.Fatalf("%q is answered %q: %+v is read as %+v, %v", header, response, p, got, err)
		}
	})
}
