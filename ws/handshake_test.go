//go:build !js

package ws

import (
	"encoding/base64"
	"testing"
)

func TestAcceptKeyGolden(t *testing.T) {
	for key, want := range map[string]string{
		"dGhlIHNhbXBsZSBub25jZQ==": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", // RFC 6455 section 1.3
		"x3JJHMbDL1EzLkh9GBhXDw==": "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
	} {
		if got := string(appendAccept(nil, key)); got != want {
			t.Errorf("accept of %s is %s, want %s", key, got, want)
		}
	}
}

func TestAcceptKeyAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, acceptSize)
	if n := testing.AllocsPerRun(100, func() { b = appendAccept(b[:0], "dGhlIHNhbXBsZSBub25jZQ==") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(b) != acceptSize {
		t.Errorf("%d bytes, want %d", len(b), acceptSize)
	}
}

func TestValidKey(t *testing.T) {
	for key, want := range map[string]bool{
		"dGhlIHNhbXBsZSBub25jZQ==":     true,
		"AAAAAAAAAAAAAAAAAAAAAA==":     true,
		"":                             false,
		"dGhlIHNhbXBsZSBub25jZQ=":      false,
		"dGhlIHNhbXBsZSBub25jZQ===":    false,
		"dGhlIHNhbXBsZSBub25jZQAA":     false, // 18 bytes
		"dGhlIHNhbXBsZSBub25=ZQ==":     false,
		"dGhlIHNhbXBsZSBub25j-_==":     false, // base64url
		"dGhlIHNhbXBsZSBub25jZQ==AAAA": false,
		"dGhlIHNhbXBsZSBub2 jZQ==":     false,
	} {
		if got := validKey(key); got != want {
			t.Errorf("validKey(%q) = %v", key, got)
		}
	}
}

func TestNewKeyIsValidAndFresh(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		key := newKey()
		raw, err := base64.StdEncoding.DecodeString(key)
		if !validKey(key) || err != nil || len(raw) != 16 || seen[key] {
			t.Fatalf("key %q: %v, %d bytes, seen before: %v", key, err, len(raw), seen[key])
		}
		seen[key] = true
	}
}

func TestHasToken(t *testing.T) {
	for _, c := range []struct {
		list string
		want bool
	}{
		{"upgrade", true},
		{"Upgrade", true},
		{"keep-alive, Upgrade", true},
		{"keep-alive,\tUPGRADE ,x", true},
		{",, upgrade,,", true},
		{"", false},
		{" , ,", false},
		{"upgraded", false},
		{"x-upgrade", false},
		{"upgrade/1", false},
		{"keep-alive upgrade", false},
		{"\"upgrade\"", false},
	} {
		if got := hasToken(c.list, "upgrade"); got != c.want {
			t.Errorf("hasToken(%q) = %v", c.list, got)
		}
	}
	// U+212A folds to k in Unicode, and not in ASCII.
	if hasToken("websoc\u212aet", "websocket") {
		t.Error("the Kelvin sign passes for a k")
	}
}
