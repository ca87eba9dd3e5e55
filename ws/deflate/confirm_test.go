package deflate_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

func TestOffer(t *testing.T) {
	tests := []struct {
		o    deflate.Options
		want string
	}{
		{deflate.Options{}, "permessage-deflate; client_max_window_bits"},
		{deflate.Options{WindowBits: 15, PeerWindowBits: 15}, "permessage-deflate; client_max_window_bits"},
		{deflate.Options{WindowBits: 10}, "permessage-deflate; client_max_window_bits=10"},
		{deflate.Options{WindowBits: 1}, "permessage-deflate; client_max_window_bits=9"},
		{deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{deflate.Options{PeerWindowBits: 12}, "permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate; client_max_window_bits"},
	}
	for _, tt := range tests {
		if got := tt.o.Offer(); got != tt.want {
			t.Errorf("%+v offers %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestConfirm(t *testing.T) {
	const pmd = "permessage-deflate"
	alone := deflate.Options{PeerNoContextTakeover: true}
	small := deflate.Options{WindowBits: 11, PeerWindowBits: 12}
	tests := []struct {
		o        deflate.Options
		response []string
		params   deflate.Params
		err      string // part of it
	}{
		{response: []string{pmd}, params: params("", 15, 15)},
		{response: []string{"", pmd}, params: params("", 15, 15)},
		{response: []string{pmd + "; client_max_window_bits=9; server_max_window_bits=8"}, params: params("", 8, 9)},
		{response: []string{pmd + "; client_max_window_bits=8"}, params: params("", 15, 8)},
		{response: []string{pmd + "; client_no_context_takeover"}, params: params("c", 15, 15)},
		{response: []string{pmd + ";server_no_context_takeover;client_no_context_takeover"}, params: params("sc", 15, 15)},
		{response: []string{pmd + "; server_max_window_bits=\"15\""}, params: params("", 15, 15)},
		{o: small, response: []string{pmd + "; server_max_window_bits=12"}, params: params("", 12, 11)},
		{o: small, response: []string{pmd + "; server_max_window_bits=9; client_max_window_bits=10"}, params: params("", 9, 10)},
		{o: small, response: []string{pmd}, params: params("", 15, 11)}, // our second offer
		{o: alone, response: []string{pmd + "; server_no_context_takeover"}, params: params("s", 15, 15)},

		{response: []string{"foo"}, err: `"foo" was not offered`},
		{response: []string{pmd + ", foo"}, err: `"foo" was not offered`},
		{response: []string{"Permessage-Deflate"}, err: "was not offered"},
		{response: []string{pmd, pmd}, err: "twice"},
		{response: []string{pmd + ", " + pmd}, err: "twice"},
		{response: []string{pmd + "; foo"}, err: `"foo" is unknown`},
		{response: []string{pmd + "; server_no_context_takeover=1"}, err: "takes none"},
		{response: []string{pmd + "; client_no_context_takeover; client_no_context_takeover"}, err: "twice"},
		{response: []string{pmd + "; client_max_window_bits"}, err: "client_max_window_bits has no value"},
		{response: []string{pmd + "; server_max_window_bits"}, err: "server_max_window_bits has no value"},
		{response: []string{pmd + "; server_max_window_bits=16"}, err: `"16" instead of 8 to 15`},
		{response: []string{pmd + "; client_max_window_bits=09"}, err: `"09" instead of 8 to 15`},
		{response: []string{pmd + "; server_max_window_bits=9; server_max_window_bits=9"}, err: "twice"},
		{response: []string{pmd + "; client_max_window_bits=9; client_max_window_bits=9"}, err: "twice"},
		{response: []string{pmd + ";"}, err: "not a list"},
		{response: []string{pmd + "; \"a\""}, err: "not a list"},
		{o: alone, response: []string{pmd}, err: "server_no_context_takeover was offered and is missing"},
		{o: small, response: []string{pmd + "; server_max_window_bits=13"}, err: "is 13, and 12 was offered"},
		{o: small, response: []string{pmd + "; client_max_window_bits=12"}, err: "is 12, and 11 was offered"},
	}
	for _, tt := range tests {
		p, ok, err := tt.o.Confirm(tt.response)
		if tt.err != "" {
			if err == nil || ok || p != (deflate.Params{}) || !strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), "deflate: ") {
				t.Errorf("%q to %+v: got %v, %+v, %v, want an error with %q", tt.response, tt.o, ok, p, err, tt.err)
			}
			continue
		}
		if !ok || err != nil || p != tt.params {
			t.Errorf("%q to %+v: got %v, %+v, %v, want %+v", tt.response, tt.o, ok, p, err, tt.params)
		}
	}
	for _, declined := range [][]string{nil, {""}, {" , "}} {
		if p, ok, err := (&deflate.Options{}).Confirm(declined); ok || err != nil || p != (deflate.Params{}) {
			t.Errorf("%q: got %v, %+v, %v, want a plain no", declined, ok, p, err)
		}
	}
}

// A response that omits client_no_context_takeover leaves the client free to
// use its context, whatever it offered: the server inflates with it (RFC 7692
// section 7.1.1.2).
func TestHintIsNotBinding(t *testing.T) {
	server := deflate.NewDecompressor(params("", 15, 15), false)
	client := deflate.NewCompressor(&deflate.Options{Threshold: -1}, params("", 15, 15), true)
	for i := range 3 {
		z, err := client.Append(nil, []byte("the same again and again"))
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && len(z) > 6 {
			t.Errorf("message %d takes %d bytes: the context was not used", i, len(z))
		}
		if got, err := server.Append(nil, z, 100); err != nil || string(got) != "the same again and again" {
			t.Fatalf("message %d: %q, %v", i, got, err)
		}
	}
}

func FuzzConfirm(f *testing.F) {
	for i, s := range []string{"permessage-deflate", "permessage-deflate; client_max_window_bits=9; server_max_window_bits=\"10\"",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover", "foo", "permessage-deflate; server_max_window_bits=08,", ",,;=\""} {
		f.Add(s, byte(i))
	}
	f.Fuzz(func(t *testing.T, header string, options byte) {
		o := optionsOf(options)
		p, ok, err := o.Confirm(strings.Split(header, "\n"))
		if !ok || err != nil {
			if ok || p != (deflate.Params{}) {
				t.Fatalf("%q: %v with %+v, %v", header, ok, p, err)
			}
			if err == nil && strings.Trim(header, " \t\n,") != "" {
				t.Fatalf("%q was read as nothing", header)
			}
			return
		}
		own := o.WindowBits
		if own == 0 {
			own = 15
		}
		if p.ClientMaxWindowBits < 8 || p.ClientMaxWindowBits > own || p.ServerMaxWindowBits < 8 || p.ServerMaxWindowBits > 15 ||
			o.PeerNoContextTakeover && !p.ServerNoContextTakeover {
			t.Fatalf("%+v accepted %q as %+v", o, header, p)
		}
		if n := strings.Count(header, "permessage-deflate"); n != 1 {
			t.Fatalf("accepted %q, which has it %d times", header, n)
		}
		for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
			if n := strings.Count(header, name); n > 1 {
				t.Fatalf("accepted %q, which has %s %d times", header, name, n)
			}
		}
	})
}
