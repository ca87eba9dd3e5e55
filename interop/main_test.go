package interop_test

import (
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakCheck fails the test if it leaves a goroutine behind, ours or the other
// library's. Call it first.
func leakCheck(t testing.TB) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if t.Failed() {
			return // it may have left its connections where they were
		}
		deadline := time.Now().Add(patience)
		for {
			err := goleak.Find(ignore)
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("goroutines: %v", err)
				return
			}
			runtime.Gosched()
		}
	})
}
