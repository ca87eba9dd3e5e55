package protocol_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live/protocol"
)

func TestNames(t *testing.T) {
	const invalid, tooLarge = protocol.CodeInvalid, protocol.CodeTooLarge
	checks := map[string]func(string) *protocol.Error{
		"type": protocol.CheckType, "room": protocol.CheckRoom, "mid": protocol.CheckMid, "key": protocol.CheckKey, "user": protocol.CheckUser, "token": protocol.CheckToken,
	}
	for kind, max := range map[string]int{
		"type": protocol.MaxType, "room": protocol.MaxRoom, "mid": protocol.MaxMid, "key": protocol.MaxMid, "user": protocol.MaxUser, "token": protocol.MaxToken,
	} {
		for _, tc := range []struct{ name, code string }{
			{"a", ""},
			{"~!@#$%^&()_+-=[]{}|;'\",./?\\", ""},
			{"", invalid},
			{strings.Repeat("x", max), ""},
			{strings.Repeat("x", max+1), tooLarge},
			{strings.Repeat("é", max/2) + "x", tooLarge},
			{"a\x00", invalid},
			{"a\n", invalid},
			{"a\x7f", invalid},
			{"a\u0085", invalid},
			{"a\u00a0", invalid},
			{"a\u200b", invalid},
			{"a\u202e", invalid},
			{"\ufeffa", invalid},
			{"a\ue000", invalid},
			{"a\xff", invalid},
			{"a\xed\xa0\x80", invalid},
			{"a\xc3", invalid},
		} {
			got := ""
			if e := checks[kind](tc.name); e != nil {
				got = e.Code
				if !strings.HasPrefix(e.Message, kind+" ") {
					t.Errorf("%s %q: the message is %q", kind, tc.name, e.Message)
				}
			}
			if got != tc.code {
				t.Errorf("%s %.40q: %q, want %q", kind, tc.name, got, tc.code)
			}
		}
		for _, name := range []string{"é", "日本", "😀", "a\ufffd"} {
			if e := checks[kind](name); (e == nil) != (kind != "token") {
				t.Errorf("%s %q: %v", kind, name, e)
			}
		}
		if e := checks[kind]("a b"); (e == nil) != (kind == "user") {
			t.Errorf("%s with a space: %v", kind, e)
		}
	}
}

func TestRooms(t *testing.T) {
	for room, wildcard := range map[string]bool{
		"a": false, "a:b": false, "room:7:x": false,
		"*": true, ">": true, "a:*": true, "*:a": true, "a:>": true, "*:*:>": true, "a:*:b": true,
	} {
		if e := protocol.CheckRoom(room); e != nil {
			t.Errorf("%s: %v", room, e)
		}
		if protocol.IsWildcard(room) != wildcard {
			t.Errorf("%s is a wildcard: %v", room, !wildcard)
		}
	}
	for _, room := range []string{":", "::", "a:", ":a", "a::b", "a*", "*a", "**", "a:b*", ">:a", "a:>:b", ">>", "a>", "*>", ">:>", "a:b>c"} {
		if e := protocol.CheckRoom(room); e == nil || e.Code != protocol.CodeInvalid {
			t.Errorf("%s: %v", room, e)
		}
	}
}
