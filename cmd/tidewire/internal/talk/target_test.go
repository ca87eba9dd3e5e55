package talk_test

import (
	"strings"
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
	for text, want := range map[string]string{
		"unix:":               "has no path",
		"ws+unix://":          "is not of the form ws+unix:///run/x.sock:/path",
		"wss+unix:///r/x:y":   "is not of the form wss+unix:///run/x.sock:/path",
		"tcp://a":             "is not of the form tcp://host:port",
		"tls://a:":            "is not of the form tls://host:port",
		"ftp://u:hush@h":      "ftp://u:xxxxx@h",
		"ws://h/#f":           "has no fragment",
		"ws://":               "is no URL of a WebSocket",
		"ws://u:hush@h:x":     "is no URL of a WebSocket",
		"ws://h/%zz?key=hush": "is no URL of a WebSocket",
	} {
		if got, err := talk.ParseTarget(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %+v, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"tls://a:1/":                    "tls://a:1",
		"unix:///r/x":                   "unix:/r/x",
		"ws+unix:///r/x:/p?token=hush":  "ws://localhost/p?token=xxxxx through /r/x",
		"http://ann:hu:sh@h/a@b?c=d&e":  "http://ann:xxxxx@h/a@b?c=xxxxx&e",
		"ws://h?hush=hush&b=hush://x@y": "ws://h?hush=xxxxx&b=xxxxx",
	} {
		if target, err := talk.ParseTarget(text); err != nil || target.String() != want {
			t.Errorf("%s is %s, %v; want %s", text, target, err, want)
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
