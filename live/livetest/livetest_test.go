package livetest_test

import (
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/livetest"
)

func TestMemory(t *testing.T) {
	livetest.TestBroker(t, func(*testing.T) live.Broker { return live.NewMemory(nil) }, nil)
}
