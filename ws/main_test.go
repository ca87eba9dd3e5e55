//go:build !js

package ws_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// child, if not nil, is what this process does in place of the tests. The mass
// tests set it in the process of their clients.
var child func() int

// TestMain looks for what the tests left behind, all of them, whether or not they
// have a leakCheck of their own to name the culprit.
func TestMain(m *testing.M) {
	if child != nil {
		os.Exit(child())
	}
	if r, w, err := os.Pipe(); err == nil { // the runtime's poller comes with the first
		r.Close()
		w.Close()
	}
	before := openFiles()
	code := m.Run()
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; code == 0 && !fuzzing {
		code = leftBehind(before)
	}
	os.Exit(code)
}

func leftBehind(before int) int {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		err := goleak.Find()
		after := openFiles()
		if err == nil && after <= before {
			return 0
		}
		if time.Now().After(deadline) {
			fmt.Printf("the tests left something behind: %d descriptors before, %d after; goroutines: %v\n", before, after, err)
			return 1
		}
	}
}

// openFiles counts the descriptors, where the system shows them.
func openFiles() int {
	d, _ := os.ReadDir("/proc/self/fd")
	return len(d)
}
