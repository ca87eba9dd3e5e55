package protocol_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live/protocol"
)

// hostile makes messages of about n bytes that cost as much as a message can. At 64 KiB
// most take well below a millisecond.
func hostile(n int) map[string][]byte {
	fill := func(head, unit, tail string) []byte {
		return []byte(head + strings.Repeat(unit, n/len(unit)) + tail)
	}
	const json, cbor = `{"type":"a","data":`, "\xa2\x64type\x61a\x64data"
	return map[string][]byte{
		"json arrays":              fill(json, "[", ""),
		"json arrays, closed":      []byte(json + strings.Repeat("[", n/2) + strings.Repeat("]", n/2) + "}"),
		"json objects":             fill(json, `{"":`, ""),
		"json empty arrays":        fill(json+"[0", ",[]", "]}"),
		"json wide":                fill(json+"[0", ",[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", "]}"),
		"json wide in wide":        []byte(json + strings.Repeat("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,", n/50) + "0" + strings.Repeat("]", n/50) + "}"),
		"json long number":         fill(json+"0.", "1", "}"),
		"json long exponent":       fill(json+"1e-", "9", "}"),
		"json small long exponent": fill(json+"0."+strings.Repeat("0", n/2)+"1e", "0", "}"),
		"json numbers to check":    fill(json+"[0", ",1.7976931348623157e308", "]}"),
		"json escapes":             fill(json+`"`, `\u0061`, `"}`),
		"json escaped names":       fill(json[:len(json)-7]+`"x":1`, `,"\u0061":1`, "}"),
		"json unknown fields":      fill(json+"0", `,"":0`, "}"),
		"json same field":          fill(json+"0", `,"id":0`, "}"),
		"json name of escapes":     fill(`{"type":"`, `\u0061`, `"}`),
		"json space":               fill(json+"0", " ", "}"),
		"cbor arrays":              fill(cbor, "\x81", "\x00"),
		"cbor endless arrays":      []byte(cbor + strings.Repeat("\x9f", n/2) + strings.Repeat("\xff", n/2)),
		"cbor tags":                fill(cbor, "\xc1", "\x00"),
		"cbor chunks":              fill(cbor+"\x7f", "\x61a", "\xff"),
		"cbor empty chunks":        fill(cbor+"\x5f", "\x40", "\xff"),
		"cbor empty arrays":        fill(cbor+"\x9f", "\x80", "\xff"),
		"cbor floats":              fill(cbor+"\x9f", "\xf9\x00\x01", "\xff"),
		"cbor control characters":  fill(cbor+"\x7f", "\x61\x00", "\xff"),
		"cbor undefined":           fill(cbor+"\x9f", "\xf7", "\xff"),
		"cbor same field":          fill("\xbf\x64type\x61a", "\x62id\x00", "\xff"),
		"cbor unknown fields":      fill("\xbf\x64type\x61a", "\x60\x00", "\xff"),
	}
}

// TestHostileMemory bounds what a message makes the parser allocate to a small multiple of
// its size.
func TestHostileMemory(t *testing.T) {
	const n = 64 << 10
	for name, p := range hostile(n) {
		c := protocol.JSON
		if strings.HasPrefix(name, "cbor") {
			c = protocol.CBOR
		}
		const runs = 5
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			_, _ = c.Parse(p, 0)
		}
		runtime.ReadMemStats(&after)
		got := (after.TotalAlloc - before.TotalAlloc) / runs
		if got > 40*n {
			t.Errorf("%s: %d bytes for a message of %d", name, got, len(p))
		}
		t.Logf("%-26s %d bytes", name, got)
	}
}
