package natsbroker_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/livetest"
	"github.com/tidewire/tidewire/live/natsbroker"
)

var quiet = slog.New(slog.DiscardHandler)

// serve starts a server on a folder, until the test ends.
func serve(t *testing.T, o natsbroker.ServerOptions) *natsbroker.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Logger = quiet
	s, err := natsbroker.StartServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestEmbedded(t *testing.T) {
	livetest.TestBroker(t, func(t *testing.T) live.Broker {
		b, err := serve(t, natsbroker.ServerOptions{}).Connect(&natsbroker.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, nil)
}

// What is wrong with a URL is said without its password, which a log would keep.
func TestConnectHidesPasswords(t *testing.T) {
	for _, url := range []string{"nats://ada:hush@127.0.0.1:1", "nats://ada:hush%zz@127.0.0.1:1", "nats://ada:hu sh@127.0.0.1:1,nats://hush@127.0.0.1:1"} {
		_, err := natsbroker.Connect(url, nil)
		if err == nil || strings.Contains(err.Error(), "hu") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
