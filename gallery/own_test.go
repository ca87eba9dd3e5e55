package gallery_test

import (
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/live"
)

// On several nodes a guest sees the prices, the boats and the numbers of one node, and the chat of all.
func TestNodesHaveWorldsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := live.NewMemory(nil)
		defer shared.Close()
		a, b := openHall(t, shared), openHall(t, shared)
		ann, bob := a.visit("Ann"), b.visit("Bob")
		for _, v := range []*visitor{ann, bob} {
			v.join("prices:market")
		}
		for _, v := range []*visitor{bob, ann} {
			last := 0.0
			for range 100 {
				n := v.until("quote")["data"].(map[string]any)["n"].(float64)
				if last > 0 && n != last+1 {
					t.Fatalf("update %v came behind update %v", n, last)
				}
				last = n
			}
			v.send(`{"type":"$leave","id":3,"room":"prices:market"}`)
			v.until("$ok")
		}
		ann.join("chat:general")
		bob.join("chat:general")
		bob.send(`{"type":"chat","mid":"m1","room":"chat:general","data":{"text":"hello"}}`)
		ann.until("chat")
	})
}
