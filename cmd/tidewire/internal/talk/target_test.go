package talk_test

import (
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]talk.Target{
		"ws://a:1/b?c=d":       {URL: "ws://a:1/b?c=d"},
		"a:1/b":                {URL: "ws://a:1/b"},
		"WSS://a/b":            {URL: "WSS://a/b"},
		":8080/x":              {URL: "ws://localhost:8080/x"},
		"ws+unix:///r/x.sock":  {URL: "ws://localhost", Socket: "/r/x.sock"},
		"ws+unix:///r/x:/path": {URL: "ws://localhost/path", Socket: "/r/x"},
		"tcp://a:1":            {Network: "tcp", Address: "a:1"},
		"TCP://a:1":            {Network: "tcp", Address: "a:1"},
		"udp://:1":             {Network: "udp", Address: "localhost:1"},
		"unix:/r/x":            {Network: "unix", Address: "/r/x"},
	} {
		if got, err := talk.ParseTarget(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	target, err := talk.ParseTarget("wss://ann:hush@example.org/x?token=hush&a")
	if s := target.String(); err != nil || s != "wss://ann:xxxxx@example.org/x?token=xxxxx&a" {
		t.Errorf("%s, %v", s, err)
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("ws+unix:///a:/b")
	f.Add("wss://a:hush@b?c=hush")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := talk.ParseTarget(text)
		if err == nil && target.URL == "" && target.Address == "" {
			t.Fatalf("%q leads nowhere", text)
		}
		_ = target.String()
	})
}
