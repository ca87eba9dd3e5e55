//go:build !race

package live_test

import (
	"flag"
	"fmt"
	"testing"
)

var promiseManyfold = flag.Int("promise.manyfold", 40, "how many histories each half of TestPromiseManyfold plays")

// TestPromiseManyfold plays many histories on two cores, where nothing watches for
// races: the seeds of TestPromise play each of them again.
func TestPromiseManyfold(t *testing.T) {
	for half := range 2 {
		t.Run(fmt.Sprint("half ", half), func(t *testing.T) {
			t.Parallel()
			promise(t, virtual, *promiseManyfold, 30)
		})
	}
}
