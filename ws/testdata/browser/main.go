//go:build js

// Command browser runs in a browser and tries package ws there, against the
// server of the test that started it. It leaves a line for each check in the
// page's transcript.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall/js"
	"time"

	"github.com/tidewire/tidewire/client/callback"
	"github.com/tidewire/tidewire/ws"
)

// patience bounds what should come at once.
const patience = 20 * time.Second

var (
	origin   = js.Global().Get("location").Get("origin").String()
	base     = "ws" + strings.TrimPrefix(origin, "http")
	backdoor int
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

// bounded returns a context for calls that should take no time.
func bounded() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// open dials a door of the test's server.
func open(door string, o *ws.DialOptions) *ws.Conn {
	c, resp, err := ws.Dial(bounded(), base+door, o)
	must(err)
	if resp != nil {
		fail("a response, which no browser shows")
	}
	return c
}

// session is a door whose peer can be held back and asked what it saw.
type session struct {
	c   *ws.Conn
	key int
}

func openSession(door string, o *ws.DialOptions) *session {
	backdoor++
	return &session{open(fmt.Sprintf("%s?key=%d", door, backdoor), o), backdoor}
}

func (s *session) ask(what string) string {
	r, err := http.Get(fmt.Sprintf("%s/%s?key=%d", origin, what, s.key))
	must(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	must(err)
	return string(b)
}

func ended(c *ws.Conn) { must(c.Close(ws.StatusNormalClosure, "")) }

func read(c *ws.Conn) (ws.MessageType, []byte) {
	typ, p, err := c.Read(bounded())
	must(err)
	return typ, p
}

func send(c *ws.Conn, typ ws.MessageType, p string) { must(c.Write(bounded(), typ, []byte(p))) }

func expect(c *ws.Conn, typ ws.MessageType, p string) {
	gotType, got := read(c)
	want("message type", gotType, typ)
	if string(got) != p {
		fail("got %.40q (%d bytes), want %.40q (%d bytes)", got, len(got), p, len(p))
	}
}

func dial() {
	c := open("/echo?secret=1", &ws.DialOptions{Subprotocols: []string{"other", "chat"}})
	want("subprotocol", c.Subprotocol(), "chat")
	want("remote address", c.RemoteAddr().String(), base+"/echo")
	want("remote network", c.RemoteAddr().Network(), "websocket")
	want("local address", c.LocalAddr().String(), origin)
	if c.NetConn() != nil {
		fail("a NetConn")
	}
	ended(c)
	c = open("/echo", nil)
	want("subprotocol", c.Subprotocol(), "")
	ended(c)
}

func echo() {
	c := open("/echo", nil)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	large := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for _, p := range []string{"hello", "héllo, wörld 🌊", "", large} {
		send(c, ws.Text, p)
		expect(c, ws.Text, p)
	}
	for _, p := range []string{string(binary), "", large} {
		send(c, ws.Binary, p)
		expect(c, ws.Binary, p)
	}
	wantError("text that is no UTF-8", c.Write(bounded(), ws.Text, []byte{0xff}), "not valid UTF-8")
	wantError("no type", c.Write(bounded(), 7, nil), "must be Text or Binary")
	want("TryWrite of bad text", c.TryWrite(ws.Text, []byte{0xff}), false)
	want("TryWrite", c.TryWrite(ws.Text, []byte("tried")), true)
	expect(c, ws.Text, "tried")
	eventually("Buffered is 0", func() bool { return c.Buffered() == 0 })
	ended(c)
}

func byteOrderMark() {
	c := open("/echo", nil)
	send(c, ws.Text, "\ufeffmarked")
	expect(c, ws.Text, "\ufeffmarked")
	ended(c)
}

func readInto() {
	c := open("/echo", nil)
	buf := append(make([]byte, 0, 100), "before "...)
	send(c, ws.Text, "after")
	typ, p, err := c.ReadInto(bounded(), buf)
	must(err)
	want("type", typ, ws.Text)
	want("message", string(p), "before after")
	want("the caller's memory", &p[0], &buf[:1][0])
	send(c, ws.Binary, strings.Repeat("x", 200))
	_, p, err = c.ReadInto(bounded(), p)
	must(err)
	want("grown", len(p), 212)
	ended(c)
}

func reader() {
	c := open("/echo", nil)
	long := strings.Repeat("0123456789", 10_000)
	send(c, ws.Text, long)
	typ, r, err := c.Reader(bounded())
	must(err)
	want("type", typ, ws.Text)
	var got bytes.Buffer
	_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{r}, make([]byte, 777))
	must(err)
	want("message", got.String() == long, true)
	_, err = r.Read(make([]byte, 1))
	want("at its end", err, io.EOF)
	// What is left of a message is discarded, and its reader says so.
	send(c, ws.Text, "first")
	send(c, ws.Text, "second")
	_, r, err = c.Reader(bounded())
	must(err)
	_, err = io.ReadFull(r, make([]byte, 2))
	must(err)
	expect(c, ws.Text, "second")
	_, err = r.Read(make([]byte, 1))
	wantError("a reader that is over", err, "a later message")
	// An empty message has a reader that ends.
	send(c, ws.Binary, "")
	_, r, err = c.Reader(bounded())
	must(err)
	_, err = r.Read(make([]byte, 1))
	want("of nothing", err, io.EOF)
	ended(c)
}

func writer() {
	c := open("/echo", nil)
	w, err := c.Writer(bounded(), ws.Text)
	must(err)
	long := strings.Repeat("wäve", 20_000)
	for p := []byte(long); len(p) > 0; { // cut in the middle of letters
		n := min(len(p), 1001)
		_, err := w.Write(p[:n])
		must(err)
		p = p[n:]
	}
	// Until then, no other message can start.
	want("TryWrite beside a Writer", c.TryWrite(ws.Text, nil), false)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- c.Write(ctx, ws.Text, []byte("cancelled")) }()
	cancel()
	want("a cancelled Write", arrives("Write's return", result), context.Canceled)
	go func() { result <- c.Write(bounded(), ws.Text, []byte("behind")) }()
	must(w.Close())
	must(arrives("Write's return", result))
	expect(c, ws.Text, long)
	expect(c, ws.Text, "behind")
	wantError("Close again", w.Close(), "closed")

	w, err = c.Writer(bounded(), ws.Text)
	must(err)
	_, err = w.Write([]byte("never sent"))
	must(err)
	_, err = w.Write([]byte{0xff})
	wantError("bad text", err, "UTF-8")
	w.Cancel()
	_, err = w.Write(nil)
	wantError("Write after Cancel", err, "cancelled")
	send(c, ws.Text, "whole")
	expect(c, ws.Text, "whole")
	ended(c)
}

func prepared() {
	a, b := open("/echo", nil), open("/echo", nil)
	p := []byte("héllo to all")
	for _, typ := range []ws.MessageType{ws.Text, ws.Binary} {
		m := ws.Prepare(typ, p)
		for _, c := range []*ws.Conn{a, b} {
			must(c.WritePrepared(bounded(), m))
			expect(c, typ, string(p))
		}
	}
	wantError("bad text", a.WritePrepared(bounded(), ws.Prepare(ws.Text, []byte{0xff})), "UTF-8")
	ended(a)
	ended(b)
}

func cancelledRead() {
	c := open("/echo", nil)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, _, err := c.Read(ctx)
		result <- err
	}()
	eventually("somebody reads", func() bool {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, err := c.Read(done)
		return errors.Is(err, ws.ErrReading)
	})
	cancel()
	want("a cancelled Read", arrives("Read's return", result), context.Canceled)
	_, _, err := c.Read(ctx)
	want("a Read of the past", err, context.Canceled)
	want("a Write of the past", c.Write(ctx, ws.Text, nil), context.Canceled)
	want("the connection", c.Context().Err(), nil)
	send(c, ws.Text, "still here")
	expect(c, ws.Text, "still here")
	ended(c)
}

func messages() {
	c := open("/echo", nil)
	for i := range 3 {
		send(c, ws.Text, fmt.Sprint(i))
	}
	n := 0
	for m, err := range c.Messages(bounded()) {
		must(err)
		want("message", string(m.Data), fmt.Sprint(n))
		want("type", m.Type, ws.Text)
		_, _, err = c.Read(bounded())
		want("Read inside", err, ws.ErrAttached)
		if n++; n == 3 {
			break
		}
	}
	want("messages", n, 3)
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(c.Context(), cancel)
	send(c, ws.Text, "one")
	n = 0
	for m, err := range c.Messages(ctx) {
		if n++; n == 1 {
			must(err)
			want("message", string(m.Data), "one")
			cancel()
		} else {
			want("a loop whose ctx ends", err, context.Canceled)
		}
	}
	want("iterations", n, 2)
	send(c, ws.Text, "read on")
	expect(c, ws.Text, "read on")
	send(c, ws.Text, "bye") // the server closes with 1001
	for m, err := range c.Messages(bounded()) {
		fail("got %q, %v before a planned end", m.Data, err)
	}
	wantClose(context.Cause(c.Context()), ws.Peer, ws.StatusGoingAway, "bye")
}

// log is a handler that tells what it sees.
type log struct {
	seen    chan string
	closed  chan error
	drained chan struct{}
}

func newLog() *log {
	return &log{make(chan string, 100), make(chan error, 1), make(chan struct{}, 100)}
}

func (l *log) Opened(c *ws.Conn) { l.seen <- "opened" }
func (l *log) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	if string(p) == "panic" {
		panic("as asked")
	}
	l.seen <- fmt.Sprintf("%v %s", typ, p)
}
func (l *log) Closed(c *ws.Conn, err error) { l.closed <- err }
func (l *log) Drained(c *ws.Conn)           { l.drained <- struct{}{} }

func attach() {
	c := open("/echo", nil)
	l := newLog()
	must(c.Attach(l))
	want("first", arrives("opened", l.seen), "opened")
	_, _, err := c.Read(bounded())
	want("Read", err, ws.ErrAttached)
	want("Attach again", c.Attach(l), ws.ErrAttached)
	send(c, ws.Text, "a")
	send(c, ws.Binary, "b")
	want("then", arrives("a message", l.seen), "text a")
	want("then", arrives("a message", l.seen), "binary b")
	must(c.Close(ws.StatusNormalClosure, "enough"))
	wantClose(arrives("closed", l.closed), ws.Us, ws.StatusNormalClosure, "enough")
	wantClose(c.Write(bounded(), ws.Text, nil), ws.Us, ws.StatusNormalClosure, "enough")
}

func attachPanics() {
	s := openSession("/echo", nil)
	l := newLog()
	must(s.c.Attach(l))
	send(s.c, ws.Text, "panic")
	ce := wantClose(arrives("closed", l.closed), ws.Policy, ws.StatusInternalError, "")
	wantError("the cause", ce.Cause, "as asked")
	want("the server saw", s.ask("closed"), `peer 4011 "handler panicked"`)
}

func closeRead() {
	c := open("/echo", nil)
	ctx := c.CloseRead(context.Background())
	_, _, err := c.Read(bounded())
	want("Read", err, ws.ErrAttached)
	must(c.Close(ws.StatusNormalClosure, "")) // waits: no user code runs inside
	arrives("the end of CloseRead's context", ctx.Done())

	s := openSession("/echo", nil)
	ctx, cancel := context.WithCancel(context.Background())
	quit := s.c.CloseRead(ctx)
	cancel()
	arrives("the end of CloseRead's context", quit.Done())
	eventually("the connection can be read", func() bool {
		_, _, err := s.c.Read(ctx)
		return err == context.Canceled
	})
	ctx = s.c.CloseRead(context.Background())
	send(s.c, ws.Text, "come back")
	arrives("the end of CloseRead's context", ctx.Done())
	wantClose(context.Cause(ctx), ws.Policy, ws.StatusPolicyViolation, "")
	want("the server saw", s.ask("closed"), `peer 4008 "a data message came on a connection that only writes (CloseRead)"`)
}

func ourClose() {
	s := openSession("/echo", nil)
	wantError("a code that may not be sent", s.c.Close(1006, ""), "ws: ")
	wantError("a reason that is too long", s.c.Close(1000, strings.Repeat("x", 124)), "ws: ")
	send(s.c, ws.Text, "whole") // and closed nothing
	expect(s.c, ws.Text, "whole")
	must(s.c.Close(ws.StatusNormalClosure, "über"))
	must(s.c.Close(4000, "too late"))
	_, _, err := s.c.Read(bounded())
	ce := wantClose(err, ws.Us, ws.StatusNormalClosure, "über")
	_, _, again := s.c.Read(bounded())
	want("another Read", again, err)
	want("Write", s.c.Write(bounded(), ws.Text, nil), err)
	want("TryWrite", s.c.TryWrite(ws.Text, nil), false)
	want("Context", context.Cause(s.c.Context()), error(ce))
	want("the server saw", s.ask("closed"), `peer 1000 "über"`)

	s = openSession("/echo", nil)
	must(s.c.Close(4321, "private"))
	want("the server saw", s.ask("closed"), `peer 4321 "private"`)
	s = openSession("/echo", nil)
	must(s.c.Close(ws.StatusNoStatusRcvd, ""))
	want("the server saw", s.ask("closed"), `peer 1005 ""`)
}

func ourOtherClose() {
	s := openSession("/echo", nil)
	must(s.c.Close(ws.StatusGoingAway, "leaving"))
	wantClose(context.Cause(s.c.Context()), ws.Us, ws.StatusGoingAway, "leaving")
	want("the server saw", s.ask("closed"), `peer 4001 "leaving"`)
}

func closeNow() {
	s := openSession("/echo", nil)
	result := make(chan error)
	go func() {
		_, _, err := s.c.Read(context.Background())
		result <- err
	}()
	must(s.c.CloseNow())
	wantClose(arrives("Read's return", result), ws.Us, ws.StatusAbnormalClosure, "")
	must(s.c.CloseNow())
	if err := s.c.Close(ws.StatusNormalClosure, ""); err == nil {
		fail("Close after CloseNow: no error")
	}
	want("the server saw", s.ask("closed"), `peer 1005 ""`)
}

func peersClose() {
	for _, tc := range []struct {
		code   ws.StatusCode
		reason string
	}{{1000, ""}, {1001, "bye"}, {1011, "oops"}, {4999, "größe"}, {ws.StatusNoStatusRcvd, ""}} {
		c := open(fmt.Sprintf("/close?code=%d&reason=%s", tc.code, url.QueryEscape(tc.reason)), nil)
		_, _, err := c.Read(bounded())
		ce := wantClose(err, ws.Peer, tc.code, tc.reason)
		want("CloseStatus", ws.CloseStatus(err), tc.code)
		arrives("the Context's end", c.Context().Done())
		want("its cause", context.Cause(c.Context()), error(ce))
		want("Write", c.Write(bounded(), ws.Text, nil), error(ce))
		must(c.Close(ws.StatusNormalClosure, ""))
		must(c.CloseNow())
		_, _, err = c.Read(bounded())
		want("Read after Close", err, error(ce))
	}
}

// peersCloseBehind reads what came before the close, though the browser tells of
// the close meanwhile.
func peersCloseBehind() {
	behind := func() *ws.Conn {
		c := open("/burst", nil) // three messages and a close
		arrives("the Context's end", c.Context().Done())
		return c
	}
	c := behind()
	for i := range 3 {
		expect(c, ws.Text, fmt.Sprint("burst ", i))
	}
	_, _, err := c.Read(bounded())
	wantClose(err, ws.Peer, 1000, "done")

	c = behind()
	n := 0
	for m, err := range c.Messages(bounded()) {
		must(err)
		want("message", string(m.Data), fmt.Sprint("burst ", n))
		n++
	}
	want("messages", n, 3)

	c = behind()
	l := newLog()
	must(c.Attach(l))
	want("first", arrives("opened", l.seen), "opened")
	for i := range 3 {
		want("then", arrives("a message", l.seen), fmt.Sprint("text burst ", i))
	}
	wantClose(arrives("closed", l.closed), ws.Peer, 1000, "done")

	c = behind()
	_, r, err := c.Reader(bounded())
	must(err)
	p, err := io.ReadAll(r)
	must(err)
	want("message", string(p), "burst 0")
	must(c.CloseNow())
}

func peerBreaksOff() {
	c := open("/break", nil)
	_, _, err := c.Read(bounded())
	ce := wantClose(err, ws.Network, ws.StatusAbnormalClosure, "")
	wantError("the cause", ce.Cause, "browser")
	for m, err := range c.Messages(bounded()) {
		want("the loop's last error", err, error(ce))
		want("its message", m.Type, 0)
	}
}

func closeTimeout() {
	s := openSession("/mute", &ws.DialOptions{ConnOptions: ws.ConnOptions{CloseTimeout: 50 * time.Millisecond}})
	err := s.c.Close(ws.StatusNormalClosure, "hello?")
	ce := wantClose(err, ws.Us, ws.StatusNormalClosure, "hello?")
	wantError("the cause", ce.Cause, "CloseTimeout")
	s.ask("release")

	// Where a handler reads, Close cannot wait, but the end comes.
	s = openSession("/mute", &ws.DialOptions{ConnOptions: ws.ConnOptions{CloseTimeout: 50 * time.Millisecond}})
	l := newLog()
	must(s.c.Attach(l))
	must(s.c.Close(ws.StatusNormalClosure, ""))
	ce = wantClose(arrives("closed", l.closed), ws.Network, ws.StatusAbnormalClosure, "")
	wantError("the cause", ce.Cause, "CloseTimeout")
	s.ask("release")
}

func tooBig() {
	s := openSession("/echo", &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: 1000}})
	send(s.c, ws.Binary, strings.Repeat("x", 1000))
	expect(s.c, ws.Binary, strings.Repeat("x", 1000))
	send(s.c, ws.Text, strings.Repeat("é", 501)) // bytes count, not letters
	_, _, err := s.c.Read(bounded())
	wantClose(err, ws.Policy, ws.StatusMessageTooBig, "")
	want("the cause", errors.Is(err, ws.ErrTooBig), true)
	want("the server saw", s.ask("closed"), `peer 4009 "message is larger than ConnOptions.MaxMessage"`)

	c := open("/big?size=1048577", nil) // one byte past the default
	_, _, err = c.Read(bounded())
	want("the default", errors.Is(err, ws.ErrTooBig), true)
	c = open("/big?size=1048577", &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: -1}})
	_, p := read(c)
	want("without a bound", len(p), 1048577)
	ended(c)
}

func budget() {
	b := ws.NewBudget(100_000)
	o := &ws.DialOptions{ConnOptions: ws.ConnOptions{Budget: b}}
	small := open("/echo", o)
	s := openSession("/echo", o)
	for range 20 { // nobody reads what comes back
		if err := s.c.Write(bounded(), ws.Binary, make([]byte, 10_000)); err != nil {
			break
		}
	}
	arrives("the end of the one that holds most", s.c.Context().Done())
	wantClose(context.Cause(s.c.Context()), ws.Policy, ws.StatusTryAgainLater, "")
	want("the cause", errors.Is(context.Cause(s.c.Context()), ws.ErrBudget), true)
	send(small, ws.Text, "still here")
	expect(small, ws.Text, "still here")
	w, err := small.Writer(bounded(), ws.Binary)
	must(err)
	_, err = w.Write(make([]byte, 200_000))
	wantClose(err, ws.Policy, ws.StatusTryAgainLater, "")
	w.Cancel()
	want("used", b.Used(), 0)
	small.CloseNow()
	s.c.CloseNow()
}

// fill writes until the queue is full, and returns how many messages it took.
func fill(s *session, piece []byte, ok func(error) bool) int {
	for n := 0; n < 10_000; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		err := s.c.Write(ctx, ws.Binary, piece)
		cancel()
		if err != nil {
			want(fmt.Sprintf("the end of a full queue (%v)", err), ok(err), true)
			return n
		}
	}
	fail("the queue takes everything")
	return 0
}

func slowPeer() {
	s := openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20}})
	piece := make([]byte, 256<<10)
	n := fill(s, piece, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
	q := s.c.Buffered()
	want("something waits, within the bound", q > 0 && q <= 1<<20, true)
	want("TryWrite", s.c.TryWrite(ws.Binary, piece), false)
	want("the connection", s.c.Context().Err(), nil)
	// A Write that waits goes on once the peer does.
	result := make(chan error)
	go func() { result <- s.c.Write(bounded(), ws.Binary, piece) }()
	s.ask("release")
	must(arrives("Write's return", result))
	must(s.c.Close(ws.StatusNormalClosure, ""))
	want("the server saw", s.ask("closed"), `peer 1000 ""`)
	want("the server counted", s.ask("count"), fmt.Sprint(n+1))
}

func slowPeerAttached() {
	s := openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20, QueuePolicy: ws.RefuseWrite}})
	l := newLog()
	must(s.c.Attach(l))
	piece := make([]byte, 256<<10)
	n := fill(s, piece, func(err error) bool { return errors.Is(err, ws.ErrQueueFull) })
	s.ask("release")
	arrives("drained", l.drained)
	send(s.c, ws.Binary, "more")
	must(s.c.Close(ws.StatusNormalClosure, ""))
	wantClose(arrives("closed", l.closed), ws.Us, ws.StatusNormalClosure, "")
	want("the server saw", s.ask("closed"), `peer 1000 ""`)
	want("the server counted", s.ask("count"), fmt.Sprint(n+1))

	s = openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20}})
	l = newLog()
	must(s.c.Attach(l))
	fill(s, piece, func(err error) bool { return errors.Is(err, ws.ErrSlowPeer) })
	wantClose(arrives("closed", l.closed), ws.Policy, ws.StatusTryAgainLater, "")
	s.ask("release")
	s.c.CloseNow()
}

func stuckPeer() {
	s := openSession("/stall", &ws.DialOptions{ConnOptions: ws.ConnOptions{WriteQueue: 1 << 20, WriteTimeout: time.Second}})
	piece := make([]byte, 256<<10)
	before := ws.Stats().WriteStuck
	var err error
	for err == nil {
		err = s.c.Write(bounded(), ws.Binary, piece)
	}
	wantClose(err, ws.Network, ws.StatusAbnormalClosure, "")
	want("the cause", errors.Is(err, ws.ErrWriteStuck), true)
	want("counted", ws.Stats().WriteStuck, before+1)
	s.ask("release")
}

func netConn() {
	s := openSession("/echo", nil)
	nc := ws.NetConn(context.Background(), s.c, ws.Binary)
	_, err := nc.Write([]byte("hello, stream"))
	must(err)
	p := make([]byte, 5)
	_, err = io.ReadFull(nc, p)
	must(err)
	want("the start", string(p), "hello")
	p = make([]byte, 8)
	_, err = io.ReadFull(nc, p)
	must(err)
	want("the rest", string(p), ", stream")
	must(nc.SetReadDeadline(time.Now().Add(10 * time.Millisecond)))
	_, err = nc.Read(p)
	want("past the deadline", errors.Is(err, os.ErrDeadlineExceeded), true)
	must(nc.SetReadDeadline(time.Time{}))
	_, err = nc.Write([]byte("again"))
	must(err)
	n, err := nc.Read(p)
	must(err)
	want("after it", string(p[:n]), "again")
	want("remote address", nc.RemoteAddr().String(), s.c.RemoteAddr().String())
	must(nc.Close())
	want("the server saw", s.ask("closed"), `peer 1000 ""`)

	c := open("/close?code=1001", nil)
	_, err = ws.NetConn(context.Background(), c, ws.Binary).Read(p)
	want("the end", err, io.EOF)

	s = openSession("/echo", nil)
	send(s.c, ws.Text, "wrong")
	_, err = ws.NetConn(context.Background(), s.c, ws.Binary).Read(p)
	wantError("the wrong type", err, "unexpected text message")
	want("the server saw", s.ask("closed"), `peer 4003 "unexpected text message on a NetConn of binary"`)
}

func codecs() {
	type tide struct {
		Height float64
		Name   string
	}
	c := open("/echo", nil)
	must(ws.JSON.Send(bounded(), c, tide{1.5, "spring"}))
	var got tide
	must(ws.JSON.Receive(bounded(), c, &got))
	want("JSON", got, tide{1.5, "spring"})
	must(ws.Plain.Send(bounded(), c, "text"))
	var s string
	must(ws.Plain.Receive(bounded(), c, &s))
	want("Plain", s, "text")
	must(ws.Plain.Send(bounded(), c, []byte("not JSON")))
	wantError("a value that does not fit", ws.JSON.Receive(bounded(), c, &got), "ws: ")
	must(ws.JSON.Send(bounded(), c, 1)) // and the connection is whole
	expect(c, ws.Text, "1")
	ended(c)
}

func noPing() {
	c := open("/echo", nil)
	_, err := c.Ping(bounded())
	wantError("Ping", err, "a browser does not let programs ping")
	want("RTT", c.RTT(), 0)
	ended(c)
}

func callbacks() {
	seen := make(chan string, 100)
	cl := &callback.Client{
		URL:            base + "/echo",
		OnConnected:    func(*callback.Client) { seen <- "connected" },
		OnTextMessage:  func(m string, _ *callback.Client) { seen <- m },
		OnDisconnected: func(err error, _ *callback.Client) { seen <- fmt.Sprint("disconnected ", ws.CloseStatus(err)) },
	}
	must(cl.Connect(bounded()))
	want("first", arrives("an event", seen), "connected")
	must(cl.SendText("hello"))
	want("then", arrives("an event", seen), "hello")
	cl.Close()
	want("last", arrives("an event", seen), fmt.Sprint("disconnected ", ws.StatusNormalClosure))
	cl.Wait()
}

func refusedOptions() {
	jar, err := cookiejar.New(nil)
	must(err)
	for name, o := range map[string]ws.DialOptions{
		"DialOptions.Header":             {Header: http.Header{"A": {"b"}}},
		"DialOptions.Host":               {Host: "elsewhere"},
		"DialOptions.Origin":             {Origin: "https://elsewhere"},
		"DialOptions.Jar":                {Jar: jar},
		"DialOptions.TLSConfig":          {TLSConfig: &tls.Config{}},
		"DialOptions.InsecureSkipVerify": {InsecureSkipVerify: true},
		"DialOptions.Proxy":              {Proxy: http.ProxyFromEnvironment},
		"DialOptions.NetDial":            {NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, nil }},
		"DialOptions.UnixSocket":         {UnixSocket: "/run/socket"},
		"DialOptions.MaxHeader":          {MaxHeader: 1},
		"DialOptions.FollowRedirects":    {FollowRedirects: 1},
		"DialOptions.HTTPClient":         {HTTPClient: http.DefaultClient},
		"ConnOptions.MessageTimeout":     {ConnOptions: ws.ConnOptions{MessageTimeout: 1}},
		"ConnOptions.PingInterval":       {ConnOptions: ws.ConnOptions{PingInterval: 1}},
		"ConnOptions.PingMisses":         {ConnOptions: ws.ConnOptions{PingMisses: 1}},
		"ConnOptions.ControlRate":        {ConnOptions: ws.ConnOptions{ControlRate: 1}},
		`subprotocol "a"`:                {Subprotocols: []string{"a", "a"}},
		"not a token":                    {Subprotocols: []string{"a b"}},
	} {
		c, _, err := ws.Dial(bounded(), base+"/echo", &o)
		if c != nil {
			fail("%s: a connection", name)
		}
		if strings.HasPrefix(name, "subprotocol") {
			name = "twice"
		}
		wantError(name, err, "ws: dial: ", name)
	}
	// What switches off is honoured by what does nothing.
	ended(open("/echo", &ws.DialOptions{ConnOptions: ws.ConnOptions{PingInterval: -1, MessageTimeout: -1, ControlRate: -1}}))
}

func refusedDials() {
	opened := ws.Stats().Opened
	for u, words := range map[string][]string{
		"ftp://host/":         {"scheme"},
		"ws://host/#fragment": {"fragment"},
		base + "/nowhere":     {base + "/nowhere", "could not connect", "console"},
		"ws://127.0.0.1:1/":   {"could not connect"}, // a port that browsers block
		"ws://1.2.3.999/":     {"refuses to try"},
	} {
		_, _, err := ws.Dial(bounded(), u, nil)
		wantError(u, err, append(words, "ws: dial")...)
	}
	past, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := ws.Dial(past, base+"/echo", nil)
	want("a Dial of the past", errors.Is(err, context.Canceled), true)

	s := session{key: -1}
	_, _, err = ws.Dial(bounded(), base+"/hang?key=-1", &ws.DialOptions{HandshakeTimeout: 50 * time.Millisecond})
	wantError("a server that never answers", err, "HandshakeTimeout")
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, _, err = ws.Dial(ctx, base+"/hang?key=-1", nil)
	want("a Dial that is cancelled", errors.Is(err, context.Canceled), true)
	s.ask("release")
	want("connections opened", ws.Stats().Opened, opened)
}
