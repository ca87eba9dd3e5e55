package interop_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestTheirClients: each library as a client of each door of ours.
func TestTheirClients(t *testing.T) {
	for _, lib := range libraries {
		for _, d := range doors {
			for _, z := range lib.modes {
				t.Run(fmt.Sprintf("%s/%s/%v", lib.name, d.name, z), func(t *testing.T) {
					leakCheck(t)
					url, ends := d.listen(t, connOptions(z))
					connect := func(t testing.TB, url string) (ours, theirs end) {
						theirs = lib.dial(t, url, z)
						return await(t, ends), theirs
					}
					play(t, lib, z, d.secure, d.name == "Accept" && large(lib, z), url, false, connect)
				})
			}
		}
	}
}

// TestOurClient: Dial against each library as a server.
func TestOurClient(t *testing.T) {
	for _, lib := range libraries {
		for _, secure := range []bool{false, true} {
			for i, read := range []string{"Read", "Reader", "Messages", "Attach"} {
				for _, z := range lib.modes {
					if z != plain && i%2 == 1 || secure && i%2 == 0 {
						continue // half of the combinations touch every pair of choices
					}
					t.Run(fmt.Sprintf("%s/tls=%v/%s/%v", lib.name, secure, read, z), func(t *testing.T) {
						leakCheck(t)
						url, ends := lib.listen(t, secure, z)
						connect := func(t testing.TB, url string) (ours, theirs end) {
							e, resp := dialOurs(t, url, connOptions(z), read)
							ext := resp.Header.Get("Sec-WebSocket-Extensions")
							if got := strings.HasPrefix(ext, "permessage-deflate"); got != (z != plain) {
								t.Errorf("extensions: %q", ext)
							}
							return e, await(t, ends)
						}
						play(t, lib, z, secure, read == "Read" && large(lib, z), url, true, connect)
					})
				}
			}
		}
	}
}

// largest is how many MiB the largest messages have.
var largest = flag.Int("matrix.largest", 6, "how many MiB the largest messages between the libraries have")

// large reports whether the largest messages belong to a mode of lib's: without
// compression, and with the best that it has.
func large(lib library, z compression) bool {
	best := lib.modes[len(lib.modes)-1]
	if lib.spoilsLarge {
		best = noContext
	}
	return z == plain || z == best
}

// play runs everything over connections of one kind. large includes what takes
// long. dialed says that our end is the client.
func play(t *testing.T, lib library, z compression, secure, large bool, url string, dialed bool, connect func(testing.TB, string) (ours, theirs end)) {
	ours, theirs := connect(t, url)
	converse(t, lib, ours, theirs)
	if large {
		back, typ := largeNoise(), ws.Binary
		if z != plain {
			back, typ = largeText(), ws.Text
		}
		must(t, ours.send(ws.Text, largeText()))
		receive(t, theirs, ws.Text, largeText(), lib.pieces)
		must(t, theirs.send(typ, back))
		receive(t, ours, typ, back, false)
	}
	theyBegin := !(lib.closeRaces && z == takeover)
	finish(t, lib, ours, theirs, ending{theirs: theyBegin, code: ws.StatusNormalClosure})

	if z != plain && !secure {
		r, via := relayTo(t, url)
		ours, theirs := connect(t, via)
		sent, received := &r.down, &r.up
		if dialed {
			sent, received = received, sent
		}
		shrinks(t, z, "ours", ours, theirs, sent.Load)
		shrinks(t, z, lib.name, theirs, ours, received.Load)
		finish(t, lib, ours, theirs, ending{code: ws.StatusNormalClosure})
	}
	if z == plain {
		for _, e := range endings {
			if (e.theirs && (lib.noCodes && (e.code != ws.StatusNormalClosure || e.reason != "") || lib.mustCode && e.code == ws.StatusNoStatusRcvd)) && !e.abort {
				continue
			}
			ours, theirs := connect(t, url)
			exchange(t, ours, theirs, ws.Text, []byte("hello"), lib.pieces)
			finish(t, lib, ours, theirs, e)
		}
	}
}

// exchange sends p both ways.
func exchange(t testing.TB, ours, theirs end, typ ws.MessageType, p []byte, pieces bool) {
	t.Helper()
	must(t, ours.send(typ, p))
	receive(t, theirs, typ, p, pieces)
	must(t, theirs.send(typ, p))
	receive(t, ours, typ, p, false)
}

// sizes go over the edges of the three length forms.
var sizes = []int{0, 1, 125, 126, 127, 65535, 65536}

// converse sends messages of every size and kind both ways, and pings.
func converse(t testing.TB, lib library, ours, theirs end) {
	t.Helper()
	for _, n := range sizes {
		exchange(t, ours, theirs, ws.Text, text(n), lib.pieces)
		exchange(t, ours, theirs, ws.Binary, noise(n), lib.pieces)
	}

	// Fragments that cut characters.
	long := text(300_001)
	parts := slices.Collect(slices.Chunk(long, 100_001))
	must(t, ours.sendParts(ws.Text, parts))
	receive(t, theirs, ws.Text, long, lib.pieces)
	must(t, theirs.sendParts(ws.Text, parts))
	receive(t, ours, ws.Text, long, false)

	must(t, ours.ping(nil))
	awaitPong(t, ours, "")
	for _, p := range []string{"", "tide", strings.Repeat("p", 125)} {
		must(t, theirs.ping([]byte(p)))
		if !lib.noPong {
			awaitPong(t, theirs, p)
		}
	}

	// Many small ones in a row, both ways at once.
	const many = 50
	errs := make(chan error, 1)
	go func() {
		var err error
		for i := range many {
			err = errors.Join(err, theirs.send(ws.Text, fmt.Appendf(nil, "message %d", i)))
		}
		errs <- err
	}()
	for i := range many {
		must(t, ours.send(ws.Text, fmt.Appendf(nil, "message %d", i)))
	}
	must(t, <-errs)
	for i := range many {
		p := fmt.Appendf(nil, "message %d", i)
		receive(t, ours, ws.Text, p, false)
		receive(t, theirs, ws.Text, p, lib.pieces)
	}
}

// shrinks checks that what from sends to to is compressed, and with its context
// where that is kept. wire counts the bytes in that direction.
func shrinks(t testing.TB, z compression, who string, from, to end, wire func() int64) {
	t.Helper()
	cost := func(typ ws.MessageType, p []byte) int64 {
		before := wire()
		must(t, from.send(typ, p))
		receive(t, to, typ, p, false)
		return wire() - before
	}
	p := bytes.Repeat([]byte("the tide comes in, the tide goes out; "), 200)
	if n := cost(ws.Text, p); n > int64(len(p)/4) {
		t.Errorf("%s: %d bytes of text took %d on the wire", who, len(p), n)
	}
	unique := noise(1000)
	first, again := cost(ws.Binary, unique), cost(ws.Binary, unique)
	if first < 1000 {
		t.Errorf("%s: 1000 bytes of noise took %d on the wire", who, first)
	}
	if z == takeover && again > 200 || z == noContext && again < 1000 {
		t.Errorf("%s: the same 1000 bytes again took %d on the wire, %v", who, again, z)
	}
}

// ending is a way to end a connection.
type ending struct {
	theirs bool // they begin
	abort  bool // by cutting the stream
	code   ws.StatusCode
	reason string
}

var endings = []ending{
	{code: ws.StatusNormalClosure, reason: "bye"},
	{code: ws.StatusGoingAway},
	{code: 4999, reason: strings.Repeat("é", 61) + "!"}, // 123 bytes, the most there may be
	{code: ws.StatusNoStatusRcvd},
	{abort: true},
	{theirs: true, code: ws.StatusNormalClosure},
	{theirs: true, code: ws.StatusNormalClosure, reason: "bye"},
	{theirs: true, code: ws.StatusInternalError, reason: "tide's out ⚓"},
	{theirs: true, code: 3000, reason: strings.Repeat("r", 123)},
	{theirs: true, code: ws.StatusNoStatusRcvd},
	{theirs: true, abort: true},
}

// finish ends the connection and checks what the other end is told.
func finish(t testing.TB, lib library, ours, theirs end, how ending) {
	t.Helper()
	want := event{kind: closed, code: how.code, text: how.reason}
	beginner, other := ours, theirs
	if how.theirs {
		beginner, other = theirs, ours
	}
	if how.abort {
		want.code = ws.StatusAbnormalClosure
		beginner.abort()
	} else {
		must(t, beginner.close(how.code, how.reason))
	}
	got := awaitClosed(t, other)
	if !(lib.noCodes && !how.theirs) && (got.code != want.code || got.text != want.text && !how.abort) {
		t.Errorf("%+v: the other end was told %v, want %v", how, got, want)
	}
	last := awaitClosed(t, beginner)
	if how.theirs {
		// RFC 6455 section 5.5.1: our answer echoes the code.
		if !how.abort && !lib.noAnswer && last.code != how.code {
			t.Errorf("%+v: they were answered %v", how, last)
		}
		last = got
	}
	var ce *ws.CloseError
	if !errors.As(last.err, &ce) {
		t.Errorf("%+v: our end was told %v", how, last.err)
		return
	}
	by := ws.Us
	switch {
	case how.theirs && how.abort:
		by = ws.Network
		if lib.noAborts { // its way to cut the stream is a close that cannot be written
			by = ce.By
		}
	case how.theirs:
		by = ws.Peer
	}
	if ce.By != by {
		t.Errorf("%+v: our end was told %v by %v, want %v", how, ce, ce.By, by)
	}
}

// text returns n bytes of text that is more than ASCII where n allows.
func text(n int) []byte {
	const line = "Ebbe und Flut — 潮の満ち引き 🌊 the tide comes in; "
	p := []byte(strings.Repeat(line, n/len(line)))
	for len(p) < n {
		p = append(p, '.')
	}
	return p
}

// the largest of each.
var (
	largeText  = sync.OnceValue(func() []byte { return text(*largest << 20) })
	largeNoise = sync.OnceValue(func() []byte { return noise(*largest << 20) })
)

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p)
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
