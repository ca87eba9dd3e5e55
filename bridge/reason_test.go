package bridge_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// TestReasonsNameNobody has targets that cannot be reached, and clients who do not learn from it where those are. A name with two
// dots together needs no name server to be unknown.
func TestReasonsNameNobody(t *testing.T) {
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	host := strings.TrimPrefix(refuses.URL, "http://")
	untrusted := echo(t, "wss")
	for target, secret := range map[string]string{
		"ws://" + host + "/hidden": host,
		"tcp:hidden..name:1":       "hidden",
		"ws://hidden..name/x":      "hidden",
		untrusted.String():         untrusted.Host(),
		"tls:" + untrusted.Host():  "127.0.0.1",
	} {
		rule := bridge.Rule{Listen: listening(t, "ws"), Target: parse(t, target)}
		b := run(t, rule)
		_, _, err := dialWS(t, b.at(0, rule.Listen)).Read(within(t))
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway {
			t.Fatal(err)
		}
		for _, name := range []string{secret, "hidden", "127.0.0.1", ":53"} {
			if strings.Contains(closed.Reason, name) {
				t.Errorf("%s: %q names %s", target, closed.Reason, name)
			}
		}
		if !strings.Contains(b.logs.String(), rule.Target.String()) {
			t.Errorf("the log does not name %s", rule.Target)
		}
	}
}
