package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The whole output: who gets in, who may write, whose token is renewed, and who is refused.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out strings.Builder
	run(ctx, &out, time.Second)
	want := regexp.MustCompile(`^token wanted: hello
(token wanted: expiry
)+ann: <nil>
token wanted: hello
bob: .*forbidden: not for bob
token wanted: hello
eve: .*forbidden: not for eve
token wanted: hello
mallory: .*unauthorized.*
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
