package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// TestInterleaved sends prepared messages, compressed and not, among plain and
// compressed ones, streamed ones and pings, over connections that keep their
// context, both ways at once. npm's ws breaks on the first message that refers
// to bytes which never passed through its window.
func TestInterleaved(t *testing.T) {
	deflates := map[string]struct {
		ours   deflate.Options
		theirs npmOptions
	}{
		"defaults":        {deflate.Options{}, npmOptions{"threshold": 300}},
		"whole window":    {deflate.Options{History: 32 << 10, Level: 6}, npmOptions{"threshold": 300}},
		"small windows":   {deflate.Options{WindowBits: 9, PeerWindowBits: 10}, npmOptions{"threshold": 300}},
		"they ask for 10": {deflate.Options{}, npmOptions{"threshold": 300, "serverMaxWindowBits": 10, "clientMaxWindowBits": 11}},
		"compress all":    {deflate.Options{Threshold: -1}, npmOptions{"threshold": 0}},
		"one way":         {deflate.Options{NoContextTakeover: true}, npmOptions{"threshold": 0}},
		"other way":       {deflate.Options{PeerNoContextTakeover: true}, npmOptions{"threshold": 0}},
	}
	for name, z := range deflates {
		o := ws.ConnOptions{MaxMessage: 32 << 20, Compression: &z.ours}
		t.Run(name+"/our server", func(t *testing.T) {
			leakCheck(t)
			url, ends := serverDoor(false)(t, o)
			theirs, ext := npmDial(t, url, z.theirs)
			compressed(t, ext)
			interleave(t, await(t, ends).(*ourEnd), theirs)
		})
		t.Run(name+"/our client", func(t *testing.T) {
			leakCheck(t)
			url, ends := npmListen(t, false, z.theirs)
			ours, resp := dialOurs(t, url, o, "Read")
			compressed(t, resp.Header.Get("Sec-WebSocket-Extensions"))
			interleave(t, ours, await(t, ends).(*npmEnd))
		})
	}
}

func compressed(t *testing.T, extensions string) {
	t.Helper()
	if !strings.HasPrefix(extensions, "permessage-deflate") {
		t.Fatalf("extensions: %q", extensions)
	}
	t.Log(extensions)
}

func interleave(t *testing.T, ours *ourEnd, theirs *npmEnd) {
	const rounds = 40
	ctx := context.Background()
	news := bytes.Repeat([]byte(`{"type":"news","data":"high tide at 06:12"}`), 40)
	secret := noise(700) // compresses only with context
	prepared := []*ws.Prepared{ws.Prepare(ws.Text, news), ws.Prepare(ws.Binary, secret), ws.Prepare(ws.Text, []byte("small"))}
	yes, no := true, false

	var out, in []event // what must arrive at theirs, at ours
	round := func(i int) (theyGet, weGet [][]byte) {
		unique := fmt.Appendf(nil, "round %d ", i)
		long := append(slices.Clone(unique), news...)
		return [][]byte{unique, news, long, secret, []byte("small"), long, nil},
			[][]byte{unique, news, long, secret, long, secret}
	}
	typeOf := func(p []byte) ws.MessageType {
		if bytes.Equal(p, secret) {
			return ws.Binary
		}
		return ws.Text
	}
	for i := range rounds {
		theyGet, weGet := round(i)
		for _, p := range theyGet {
			out = append(out, messageEvent(typeOf(p), p))
		}
		for _, p := range weGet {
			in = append(in, messageEvent(typeOf(p), p))
		}
	}

	errs := make(chan error, 2)
	go func() {
		for i := range rounds {
			p, _ := round(i)
			for _, err := range []error{
				ours.send(ws.Text, p[0]),
				ours.c.WritePrepared(ctx, prepared[0]),
				ours.send(ws.Text, p[2]),
				ours.c.WritePrepared(ctx, prepared[1]),
				ours.c.WritePrepared(ctx, prepared[2]),
				ours.sendParts(ws.Text, [][]byte{p[5][:3], p[5][3:]}),
				ours.send(ws.Text, nil),
			} {
				if err != nil {
					errs <- err
					return
				}
			}
		}
		errs <- nil
	}()
	go func() {
		for i := range rounds {
			_, p := round(i)
			for _, err := range []error{
				theirs.sendAs(ws.Text, [][]byte{p[0]}, &no),
				theirs.sendAs(ws.Text, [][]byte{p[1]}, &yes),
				theirs.sendAs(ws.Text, [][]byte{p[2]}, nil),
				theirs.sendAs(ws.Binary, [][]byte{p[3]}, &no),
				theirs.sendAs(ws.Text, [][]byte{p[4][:5], p[4][5:500], p[4][500:]}, &yes),
				theirs.sendAs(ws.Binary, [][]byte{p[5]}, &yes),
			} {
				if err != nil {
					errs <- err
					return
				}
			}
			if i%10 == 0 {
				if err := theirs.ping([]byte("among them")); err != nil {
					errs <- err
					return
				}
			}
		}
		errs <- nil
	}()
	for i, want := range out {
		if got := next(t, theirs); got.kind != message || got.typ != want.typ || got.sum != want.sum {
			t.Fatalf("theirs, message %d: got %v, want %v", i, got, want)
		}
		if i < len(in) {
			if got := next(t, ours); got.kind != message || got.typ != in[i].typ || got.sum != in[i].sum {
				t.Fatalf("ours, message %d: got %v, want %v", i, got, in[i])
			}
		}
	}
	must(t, <-errs)
	must(t, <-errs)
	finish(t, npmLibrary, ours, theirs, ending{code: ws.StatusNormalClosure, reason: "done"})
}
