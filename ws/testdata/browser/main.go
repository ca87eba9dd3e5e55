//go:build js

// Command browser runs in a browser and tries package ws there, against the
// server of the test that started it. It leaves a line for each check in the
// page's transcript.
package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall/js"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// patience bounds what should come at once.
const patience = 20 * time.Second

var (
	origin  = js.Global().Get("location").Get("origin").String()
	base    = "ws" + strings.TrimPrefix(origin, "http")
	lastKey int
)

func main() {
	goroutines := runtime.NumGoroutine()
	for _, check := range []struct {
		name string
		run  func()
	}{
		{"dial", dial},
		{"echo", echo},
		{"byte order mark", byteOrderMark},
		{"read into", readInto},
		{"reader", reader},
		{"writer", writer},
		{"prepared", prepared},
		{"cancelled read", cancelledRead},
		{"messages", messages},
		{"attach", attach},
		{"attach panics", attachPanics},
		{"close read", closeRead},
		{"our close", ourClose},
		{"our close code that a browser cannot send", ourOtherClose},
		{"close now", closeNow},
		{"peer's close", peersClose},
		{"peer's close behind messages", peersCloseBehind},
		{"peer breaks off", peerBreaksOff},
		{"peer never answers a close", closeTimeout},
		{"too big", tooBig},
		{"budget", budget},
		{"slow peer", slowPeer},
		{"slow peer, attached", slowPeerAttached},
		{"stuck peer", stuckPeer},
		{"net.Conn", netConn},
		{"codecs", codecs},
		{"no ping", noPing},
		{"callback client", callbacks},
		{"refused options", refusedOptions},
		{"refused dials", refusedDials},
	} {
		tell(check.name, attempt(check.run))
	}
	tell("nothing left", attempt(func() {
		// From the first event on, the runtime has a goroutine of its own.
		eventually("goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+1 })
		s := ws.Stats()
		want("open connections", s.Open, 0)
		want("connections by cause", s.ByUs+s.ByPeer+s.ByNetwork+s.ByPolicy, s.Opened)
	}))
	js.Global().Call("finished")
}

func tell(name string, err error) {
	line := "ok: " + name
	if err != nil {
		line = "FAILED: " + name + ": " + err.Error()
	}
	js.Global().Get("transcript").Call("push", line)
}

// attempt runs a check, which panics with an error when it fails.
func attempt(check func()) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case failure:
			err = v
		default:
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	check()
	return nil
}

type failure struct{ error }

func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func must(err error) {
	if err != nil {
		fail("%w", err)
	}
}

func want[T comparable](what string, got, wanted T) {
	if got != wanted {
		fail("%s: got %v, want %v", what, got, wanted)
	}
}

func wantError(what string, err error, words ...string) {
	if err == nil {
		fail("%s: no error", what)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			fail("%s: %q does not say %q", what, err, w)
		}
	}
}

// wantClose checks how a connection ended.
func wantClose(err error, by ws.Closer, code ws.StatusCode, reason string) *ws.CloseError {
	var ce *ws.CloseError
	if !errors.As(err, &ce) {
		fail("got %v, which is no *CloseError", err)
	}
	if ce.By != by || ce.Code != code || ce.Reason != reason {
		fail("got %v; want by %v, %d %q", ce, by, code, reason)
	}
	if ce.At.IsZero() {
		fail("%v does not say when", ce)
	}
	return ce
}

// eventually waits for something that nobody announces.
func eventually(what string, f func() bool) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !f(); <-ticker.C {
		if time.Now().After(end) {
			fail("this did not come true: %s", what)
		}
	}
}

func arrives[T any](what string, ch <-chan T) T {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case v := <-ch:
		return v
	case <-t.C:
	}
	fail("this did not come: %s", what)
	panic("unreachable")
}

// bounded returns a context for calls that should take no time. Its timer ends by
// itself.
func bounded() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	context.AfterFunc(ctx, cancel)
	return ctx
}
