//go:build js

// Command browser runs in a browser and tries package client there, against the hub of
// the test that started it. It leaves a line for each check in the page's transcript.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"syscall/js"
	"time"

	"github.com/tidewire/tidewire/client"
)

// patience bounds what should come at once.
const patience = 20 * time.Second

var url = "ws" + strings.TrimPrefix(js.Global().Get("location").Get("origin").String(), "http") + "/live"

func main() {
	goroutines := runtime.NumGoroutine()
	for _, check := range []struct {
		name string
		run  func()
	}{
		{"rooms in JSON", func() { rooms(client.JSON) }},
		{"rooms in CBOR", func() { rooms(client.CBOR) }},
		{"calls both ways", calls},
		{"a loop of messages", loop},
		{"who is there", presence},
		{"what was missed comes, in order", recovery},
		{"what the history has not is a gap", gap},
		{"what is sent without a connection waits", queue},
		{"a refused token", refused},
		{"a token that expires", expiry},
		{"sent away", away},
	} {
		line := "ok: " + check.name
		if err := attempt(check.run); err != nil {
			line = "FAILED: " + check.name + ": " + err.Error()
		}
		js.Global().Get("transcript").Call("push", line)
	}
	line := "ok: goroutines end"
	// From the first event on, the runtime has a goroutine of its own.
	if err := attempt(func() { eventually("goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines+1 }) }); err != nil {
		line = "FAILED: " + err.Error()
	}
	js.Global().Get("transcript").Call("push", line)
	js.Global().Call("finished")
}

type failure struct{ error }

// attempt runs a check, which panics with a failure.
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

func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func must[T any](v T, err error) T {
	if err != nil {
		fail("%w", err)
	}
	return v
}

func want(what string, got, wanted any) {
	if g, w := fmt.Sprint(got), fmt.Sprint(wanted); g != w {
		fail("%s: got %s, want %s", what, g, w)
	}
}

func eventually(what string, f func() bool) {
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			fail("this did not come true: %s", what)
		}
	}
}

func arrives[T any](what string, ch <-chan T) T {
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
	}
	fail("this did not come: %s", what)
	panic("unreachable")
}

func bounded() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// dial connects with a token. Its states are in the channel.
func dial(token string, o client.Options) (*client.Client, <-chan client.State) {
	states := make(chan client.State, 100)
	o.Token = func(context.Context, client.Reason) (string, error) { return token, nil }
	o.OnState = func(s client.State) { states <- s }
	o.Logger = slog.New(slog.DiscardHandler)
	return must(client.Dial(bounded(), url, &o)), states
}

func phase(states <-chan client.State, p client.Phase) {
	for arrives(fmt.Sprint("phase ", p), states).Phase != p {
	}
}

func join(c *client.Client, name string, o *client.RoomOptions) (*client.Room, <-chan string) {
	r := must(c.Room(name, o))
	heard := make(chan string, 1000)
	client.OnMessage(r, "n", func(_ context.Context, n int, m client.Meta) { heard <- fmt.Sprint(n) })
	client.OnMessage(r, "chat", func(_ context.Context, text string, m client.Meta) { heard <- m.From + ": " + text })
	r.OnGap(func(_ context.Context, g client.Gap) { heard <- "gap: " + g.Reason })
	if err := r.Join(bounded()); err != nil {
		fail("%w", err)
	}
	return r, heard
}

func closes(c *client.Client) {
	if err := c.Close(bounded()); err != nil {
		fail("%w", err)
	}
}

func rooms(codec client.Codec) {
	a, _ := dial("ann", client.Options{Codec: codec})
	defer closes(a)
	b, _ := dial("bob", client.Options{Codec: codec})
	defer closes(b)
	name := "room:" + codec.String()
	ra, ha := join(a, name, nil)
	_, hb := join(b, name, nil)
	pos := must(ra.Send(bounded(), "chat", "hi, 🌊"))
	want("to who said it", arrives("chat", ha), "ann: hi, 🌊")
	want("to the other", arrives("chat", hb), "ann: hi, 🌊")
	page := must(ra.History(bounded(), 0, 10))
	want("history", len(page.Messages), 1)
	want("position", page.Messages[0].Position.Seq, pos.Seq)
	if err := ra.Leave(bounded()); err != nil {
		fail("%w", err)
	}
}

func calls() {
	c, _ := dial("ann", client.Options{})
	defer closes(c)
	client.Handle(c, "confirm", func(_ context.Context, q string) (bool, error) { return q == "really?", nil })
	want("a sum", must(client.Call[[]int, int](bounded(), c, "sum", []int{1, 2, 3})), 6)
	want("a call during a call", must(client.Call[string, bool](bounded(), c, "ask", "really?")), true)
	_, err := client.Call[any, any](bounded(), c, "none", nil)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "unknown-type" {
		fail("got %v", err)
	}
	must(c.Ping(bounded()))
}

func loop() {
	c, _ := dial("ann", client.Options{})
	defer closes(c)
	r := must(c.Room("room:loop", nil))
	go func() {
		for n := range 5 {
			r.Send(bounded(), "n", n)
		}
	}()
	n := 0
	for m, err := range client.Messages[int](bounded(), r, "n") {
		if err != nil {
			fail("%w", err)
		}
		want("the next", m.Data, n)
		if n++; n == 5 {
			break
		}
	}
}

func presence() {
	a, _ := dial("ann", client.Options{})
	defer closes(a)
	r, _ := join(a, "room:who", &client.RoomOptions{Presence: true})
	users := func() string {
		names := []string{}
		for _, m := range r.Present().Members {
			names = append(names, m.User)
		}
		return strings.Join(names, " ")
	}
	eventually("ann sees herself", func() bool { return users() == "ann" })
	b, _ := dial("bob", client.Options{})
	join(b, "room:who", nil)
	eventually("ann sees bob", func() bool { return users() == "ann bob" })
	closes(b)
	eventually("bob is gone", func() bool { return users() == "ann" })
}

// recovery has the server cut the connection and publish meanwhile.
func recovery() {
	c, states := dial("ann", client.Options{})
	defer closes(c)
	_, heard := join(c, "room:cut", nil)
	phase(states, client.Open)
	for round := range 3 {
		client.Call[int, any](bounded(), c, "cut", 20)
		phase(states, client.Waiting)
		phase(states, client.Open)
		for n := range 20 {
			want(fmt.Sprint("round ", round), arrives("message", heard), n)
		}
	}
}

func gap() {
	c, states := dial("ann", client.Options{})
	defer closes(c)
	_, heard := join(c, "room:cut", nil)
	phase(states, client.Open)
	client.Call[int, any](bounded(), c, "cut", 150) // the room keeps 100
	want("first", arrives("gap", heard), "gap: evicted")
	for n := 50; n < 150; n++ {
		want("what is left", arrives("message", heard), n)
	}
}

func queue() {
	c, states := dial("ann", client.Options{})
	defer closes(c)
	r, heard := join(c, "room:queue", nil)
	phase(states, client.Open)
	client.Call[int, any](bounded(), c, "cut", 0)
	phase(states, client.Waiting)
	for range 10 {
		go r.Send(bounded(), "n", 7)
	}
	for range 10 {
		want("sent later", arrives("message", heard), 7)
	}
}

func refused() {
	o := client.Options{Token: func(context.Context, client.Reason) (string, error) { return "bad", nil }}
	o.Logger = slog.New(slog.DiscardHandler)
	_, err := client.Dial(bounded(), url, &o)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "unauthorized" {
		fail("got %v", err)
	}
}

func expiry() {
	why := make(chan client.Reason, 10)
	c := must(client.Dial(bounded(), url, &client.Options{
		Token: func(_ context.Context, r client.Reason) (string, error) { why <- r; return "brief", nil },
	}))
	defer closes(c)
	want("first", arrives("token", why), client.Hello)
	want("then", arrives("token", why), client.Expiry)
	want("still", must(client.Call[[]int, int](bounded(), c, "sum", []int{1})), 1)
}

func away() {
	c, _ := dial("ann", client.Options{})
	client.Call[string, any](bounded(), c, "away", "enough")
	arrives("the end", c.Done())
	if err := c.Err(); !errors.Is(err, client.ErrSentAway) || !strings.Contains(err.Error(), "enough") {
		fail("got %v", err)
	}
}
