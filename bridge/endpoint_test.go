package bridge_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/bridge"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"ws://127.0.0.1:8081/db":        "ws://127.0.0.1:8081/db",
		"WS://localhost":                "ws://localhost:80/",
		"wss://example.org/a?b=c":       "wss://example.org:443/a?b=c",
		"ws://[::1]:80":                 "ws://[::1]:80/",
		"ws://:8081":                    "ws://:8081/",
		"tcp:127.0.0.1:5432":            "tcp:127.0.0.1:5432",
		"tcp://localhost:5432":          "tcp:localhost:5432",
		"tls:example.org:443":           "tls:example.org:443",
		"udp:[::1]:0":                   "udp:[::1]:0",
		"unix:/run/a.sock":              "unix:/run/a.sock",
		"unix:///run/a.sock":            "unix:/run/a.sock",
		"unix:a.sock":                   "unix:a.sock",
		"udp:[fe80::1%eth0]:7":          "udp:[fe80::1%eth0]:7",
		"ws://[fe80::1%25eth0]:7/":      "ws://[fe80::1%25eth0]:7/",
		"ws+unix:/run/a.sock":           "ws+unix:/run/a.sock:/",
		"ws+unix:///run/a.sock:/db?x=1": "ws+unix:/run/a.sock:/db?x=1",
	} {
		e, err := bridge.Parse(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if e.String() != want {
			t.Errorf("%s is %s, want %s", in, e, want)
		}
		if again, err := bridge.Parse(e.String()); again != e {
			t.Errorf("%s becomes %s, %v", e, again, err)
		}
	}
	longest := "unix:" + strings.Repeat("a", 103)
	if e, err := bridge.Parse(longest); err != nil || e.String() != longest {
		t.Error(e, err)
	}
	if s := bridge.MustParse("wss://h/x?key=hush").Redacted(); s != "wss://h:443/x?xxxxx" {
		t.Error(s)
	}
	for in, want := range map[string]string{
		"":                                 "an endpoint is",
		"127.0.0.1:80":                     "an endpoint is",
		"http://127.0.0.1/":                "an endpoint is",
		"ws:127.0.0.1":                     "write ws://host:port/path",
		"ws://u:p@h/":                      "user and password",
		"ws://h/#f":                        "fragment",
		"ws://h:65536/":                    "port must be a number",
		"tcp:127.0.0.1":                    "must be host:port",
		"tcp:127.0.0.1:http":               "port must be a number",
		"tcp:127.0.0.1:+1":                 "port must be a number",
		"tcp:a b:1":                        "no host",
		"udp:h/:1":                         "no host",
		"unix:":                            "1 to 103 bytes",
		"unix:" + strings.Repeat("a", 104): "1 to 103 bytes",
		"ws+unix::/x":                      "1 to 103 bytes",
		"ws+unix:/s:x":                     "begin with a slash",
		"ws+unix:/s:/a b":                  "hold no blanks",
		"ws+unix:/s:/a#b":                  "hold no blanks",
		"ws+unix:/s:/a\x7f":                "hold no blanks",
		"ws:///a":                          "write ws://host:port/path",
		"ws://h/%zz":                       "not a URL",
		"tcp:h:080":                        "port must be a number",
		"tcp:u@h:1":                        "no host",
		"tcp:h?:1":                         "no host",
		"tcp:h#:1":                         "no host",
		"tcp:h\x7f:1":                      "no host",
		"tcp: h:1":                         "no host",
		"tcp:[h:i]:1":                      "no host",
		"tcp:h%eth0:1":                     "no host",
		"tcp:[fe80::1%a\"]:1":              "no host",
		"unix:a\x00b":                      "1 to 103 bytes",
	} {
		if e, err := bridge.Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want an error with %q", in, e, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"ws://127.0.0.1:8081/db", "tcp://h:1", "unix:/a", "ws+unix:/a:/b", "udp:[fe80::1%eth0]:1", "wss://h?x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := bridge.Parse(s)
		if err != nil {
			return
		}
		if again, err := bridge.Parse(e.String()); err != nil || again != e {
			t.Fatalf("%q becomes %q, which becomes %q, %v", s, e, again, err)
		}
	})
}
