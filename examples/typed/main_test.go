package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out strings.Builder
	if err := run(ctx, &out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"ann says \"  hello \": <nil>\n", "chat.empty: say something", "ann asks: HELLO <nil>\n",
		"bob reads: hello <nil>\nbob reads: anybody? <nil>\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in:\n%s", line, out.String())
		}
	}
}
