package load_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/load"
)

func TestAnswersToAnOffer(t *testing.T) {
	const declined, none = "the server declined compression", "none was offered"
	for _, tc := range []struct {
		compression load.Compression
		answer      string
		want        string // of the error; empty means none
	}{
		{"", "", ""},
		{"off", "", ""},
		{"", "permessage-deflate", none},
		{"off", "x", none},
		{load.Takeover, "", declined},
		{load.NoTakeover, "", declined},
		{load.Takeover, "permessage-deflate", ""},
		{load.Takeover, "permessage-deflate ; server_max_window_bits=8", ""},
		{load.Takeover, `permessage-deflate;server_max_window_bits="15"`, ""},
		{load.NoTakeover, "permessage-deflate; server_no_context_takeover", ""},
		{load.NoTakeover, "permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=10", ""},
		{load.NoTakeover, "permessage-deflate", "did not agree to server_no_context_takeover"},
		{load.NoTakeover, "permessage-deflate; client_no_context_takeover", "did not agree to server_no_context_takeover"},
		{load.Takeover, "permessage-deflate; server_no_context_takeover", "declined context takeover"},
		{load.Takeover, "permessage-deflate; client_no_context_takeover", "declined context takeover"},
		{load.Takeover, "permessage-deflate, permessage-deflate", "that were not offered"},
		{load.Takeover, "permessage-deflate\r\nSec-WebSocket-Extensions: x", "that were not offered"},
		{load.Takeover, "x-webkit-deflate-frame", "that were not offered"},
		{load.Takeover, "permessage-deflate; client_max_window_bits=15", "parameter that was not offered"},
		{load.Takeover, "permessage-deflate; mux", "parameter that was not offered"},
		{load.Takeover, "permessage-deflate;", "parameter that was not offered"},
		{load.Takeover, "permessage-deflate; server_max_window_bits", "bad parameter"},
		{load.Takeover, "permessage-deflate; server_max_window_bits=7", "bad parameter"},
		{load.Takeover, "permessage-deflate; server_max_window_bits=16", "bad parameter"},
		{load.Takeover, "permessage-deflate; server_max_window_bits=015", "bad parameter"},
		{load.Takeover, `permessage-deflate; server_max_window_bits="15`, "bad parameter"},
		{load.Takeover, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "parameter twice"},
		{load.NoTakeover, "permessage-deflate; server_no_context_takeover=1", "bad parameter"},
	} {
		t.Run(string(tc.compression)+" "+tc.answer, func(t *testing.T) {
			t.Parallel()
			lines := ""
			if tc.answer != "" {
				lines = "Sec-WebSocket-Extensions: " + tc.answer + "\r\n"
			}
			url := rawExtended(t, lines, func(c net.Conn, br *bufio.Reader) { io.Copy(c, bytes.NewReader([]byte{0x88, 0})) })
			_, err := load.Run(context.Background(), load.Plan{URL: url, Scenario: load.Idle, Compression: tc.compression, Duration: time.Millisecond})
			if tc.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, expected %q", err, tc.want)
			}
		})
	}
}

// What is offered says what was asked for, and nothing else.
func TestOffer(t *testing.T) {
	for c, want := range map[load.Compression]string{
		"": "", load.Takeover: "permessage-deflate",
		load.NoTakeover: "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
	} {
		got := make(chan string, 1)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got <- r.Header.Get("Sec-WebSocket-Extensions")
			w.WriteHeader(http.StatusTeapot)
		}))
		load.Run(context.Background(), load.Plan{URL: "ws" + strings.TrimPrefix(s.URL, "http"), Compression: c})
		s.Close()
		if offer := <-got; offer != want {
			t.Errorf("%q offers %q", c, offer)
		}
	}
}
