package inmemory

import (
	"bytes"
	"io"
	"testing"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

func BenchmarkReadWrite(b *testing.B) {
	for _, c := range ReadWrites() {
		b.Run(c.Name, c.Bench)
	}
}

func BenchmarkUpgrade(b *testing.B) {
	for _, c := range Upgrades() {
		b.Run(c.Name, c.Bench)
	}
}

// TestBenchmarks makes sure that what the benchmarks measure is a message that
// each library takes: it is what the raw bytes say.
func TestBenchmarks(t *testing.T) {
	wire, payload := message()
	got, op, err := wsutil.ReadClientData(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(wire), io.Discard})
	if err != nil || op != gobwas.OpBinary || !bytes.Equal(got, payload) {
		t.Errorf("gobwas reads %v %q, %v", op, got, err)
	}
}
