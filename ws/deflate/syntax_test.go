package deflate_test

import (
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

func TestCheckSyntax(t *testing.T) {
	for _, good := range []string{
		"", " ", "foo", "foo, bar", "foo;a;b=1, ,bar;c=\"x\"", "permessage-deflate; client_max_window_bits", "foo ; a = b",
	} {
		if err := deflate.CheckSyntax([]string{"first;a", good}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		";a", "; server_no_context_takeover", "foo;", "foo; =1", "foo;a=", "foo;a=\"", "foo;a=\"\"", "foo bar", "foo;a b", "foo=1", "foo/1",
	} {
		if err := deflate.CheckSyntax([]string{"first;a", bad}); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
	values := []string{"permessage-deflate; client_max_window_bits"}
	if n := testing.AllocsPerRun(100, func() { deflate.CheckSyntax(values) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
