//go:build amd64 || arm64

package ws

import (
	"testing"
	"unsafe"

	"github.com/tidewire/tidewire/ws/engine"
)

// What each connection holds fills a class of the allocator: a field more takes 32 or
// 16 bytes.
func TestConnFillsItsClass(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 448 {
		t.Errorf("a Conn has %d bytes", n)
	}
	if n := unsafe.Sizeof(engine.Conn{}); n > 48 {
		t.Errorf("an engine.Conn has %d bytes", n)
	}
}
