//go:build !race

package live_test

import (
	"math"
	"testing"
)

// A room costs little, a membership less, no goroutine each, and to publish takes the
// same however many rooms there are.
func TestManyRooms(t *testing.T) {
	few := newTown(t, 10, 10, 10)
	fewAllocs, fewTook := few.publishing(t, 2000)
	many := newTown(t, 200, 100, 2000)
	manyAllocs, manyTook := many.publishing(t, 2000)
	t.Logf("2000 rooms, 20,000 memberships: %.0f B for each room, %.0f B for each membership, joined in %v", many.perRoom, many.perMember, many.took)
	t.Logf("a publish with 10 rooms: %.2f allocations, %v; with 2000: %.2f, %v", fewAllocs, fewTook, manyAllocs, manyTook)
	if many.perRoom > 4<<10 || many.perMember > 512 {
		t.Error("that is too much")
	}
	if math.Abs(fewAllocs-manyAllocs) > 1 {
		t.Error("publishing to a room depends on the others")
	}
}
