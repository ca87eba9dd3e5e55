//go:build !js

package wstest

import (
	"bytes"
	"fmt"
	"runtime"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// PairOptions configures Pair. The zero value is the default.
type PairOptions struct {
	// Client and Server are the options of the two connections. The zero value
	// has ws's defaults, save that Engine and Budget are new ones, shared by the
	// two and by nobody else. Compression is in force when both ask for it, as
	// they would have agreed in a handshake.
	Client, Server ws.ConnOptions

	// ClientPipe and ServerPipe are the ends of the pipe below: buffers,
	// addresses, faults and taps of what the client and the server write. The
	// zero value has none of them, and the names "client" and "server".
	ClientPipe, ServerPipe PipeOptions

	// Subprotocol is what the handshake would have chosen. "" means none.
	Subprotocol string
}

// TB is what Pair needs of a testing.TB, which satisfies it.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}

// patience bounds the wait for what must end by itself once a pair is closed. In
// a bubble it is virtual.
const patience = 10 * time.Second

// Pair returns the two ends of a WebSocket connection in memory, as they are
// behind a handshake. nil options mean the defaults.
//
// When the test ends both are closed, and the test fails if something of them is
// left: a stream that is not closed, a call or a goroutine of ws that is still
// busy with them, bytes counted against the pair's Budget. With a nil tb, as in
// an example, closing is up to the caller and nothing is checked.
//
// Call it inside the synctest bubble, with the bubble's T.
func Pair(tb TB, o *PairOptions) (client, server *ws.Conn) {
	if tb != nil {
		tb.Helper()
	}
	if o == nil {
		o = &PairOptions{}
	}
	engine, budget := ws.NewEngine(), ws.NewBudget(1<<30)
	cp := ws.Params{ConnOptions: o.Client, Client: true, Subprotocol: o.Subprotocol}
	sp := ws.Params{ConnOptions: o.Server, Subprotocol: o.Subprotocol}
	for _, p := range []*ws.Params{&cp, &sp} {
		if p.Engine == nil {
			p.Engine = engine
		}
		if p.Budget == nil {
			p.Budget = budget
		}
	}
	if cp.Compression != nil && sp.Compression != nil {
		agreed := negotiate(cp.Compression, sp.Compression)
		cp.Deflate, sp.Deflate = &agreed, &agreed
	}
	co, so := o.ClientPipe, o.ServerPipe
	if co.Addr == nil {
		co.Addr = Addr("client")
	}
	if so.Addr == nil {
		so.Addr = Addr("server")
	}
	a, b := Pipe(co, so)
	client, server = ws.NewConn(a, cp), ws.NewConn(b, sp)
	if tb != nil {
		tb.Cleanup(func() {
			tb.Helper()
			client.CloseNow()
			server.CloseNow()
			if left := leftOver(budget, client, server); left != "" {
				tb.Errorf("wstest: %v after the connections were closed, there is still %s", patience, left)
			}
		})
	}
	return client, server
}

// Stream returns the end of the pipe that c runs over, to set its faults, or nil
// if c runs over something else.
func Stream(c *ws.Conn) *PipeConn {
	p, _ := c.NetConn().(*PipeConn)
	return p
}

// negotiate has the two agree. Whatever they are, options of deflate do: it is a
// bug there if they do not.
func negotiate(client, server *deflate.Options) deflate.Params {
	_, answer, ok := server.Negotiate([]string{client.Offer()})
	if !ok {
		panic(fmt.Sprintf("wstest: the server declines %q", client.Offer()))
	}
	p, ok, err := client.Confirm([]string{answer})
	if err != nil || !ok {
		panic(fmt.Sprintf("wstest: the client refuses %q: %v", answer, err))
	}
	return p
}

// leftOver waits until nothing of the connections is left, or says what is.
func leftOver(budget *ws.Budget, conns ...*ws.Conn) (left string) {
	for wait, end := time.Millisecond, time.Now().Add(patience); ; wait = min(2*wait, 100*time.Millisecond) {
		if left = leftNow(budget, conns); left == "" || time.Now().After(end) {
			return left
		}
		time.Sleep(wait)
	}
}

func leftNow(budget *ws.Budget, conns []*ws.Conn) string {
	for _, c := range conns {
		s := Stream(c)
		if !s.closed.Load() {
			return fmt.Sprintf("the open stream of the %v", s.local)
		}
		if n := s.in.blocked() + s.out.blocked(); n > 0 {
			return fmt.Sprintf("a call that waits for the stream of the %v (%d in all)", s.local, n)
		}
	}
	if n := budget.Used(); n != 0 {
		return fmt.Sprintf("a count of %d bytes in the pair's Budget", n)
	}
	for _, c := range conns {
		if trace := goroutineOf(c); trace != "" {
			return fmt.Sprintf("a goroutine of ws:\n%s", trace)
		}
	}
	return ""
}

// goroutineOf returns the stack of another goroutine that is in a method of c. A
// stack names the receiver by its address.
func goroutineOf(c *ws.Conn) string {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 16<<20 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 4*len(buf))
	}
	all := bytes.Split(buf, []byte("\n\n"))
	method := []byte("tidewire/ws.(*Conn).")
	self := fmt.Appendf(nil, "(%p", c)
	for _, g := range all[1:] { // the first one is ours
		for line := range bytes.Lines(g) {
			if bytes.Contains(line, method) && bytes.Contains(line, self) {
				return string(g)
			}
		}
	}
	return ""
}
