package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Client is a connection to a hub that comes back when it is lost. Its methods, and the functions that take
// one, may be called from any goroutine, and from callbacks.
type Client struct {
	o      Options
	url    string
	secret string // "client" in $hello

	ctx         context.Context // ends with the Client
	callbackCtx context.Context // ctx, marked: see Close
	cancel      context.CancelFunc
	group       sync.WaitGroup // goroutines and connections
	first       chan error     // how the first attempt ended, where Dial waits for it
	done        chan struct{}  // closed when the Client has ended
	gone        chan struct{}  // closed when the group has, too

	mu      sync.Mutex // guards what follows, and all state of links, rooms and workers
	closing bool       // Close was called
	ended   bool
	err     error // why it ended
	state   State
	states  []State
	stats   Stats

	link  *link         // the connection, if there is one
	span  span          // of waits
	drain *span         // the wait after a $drain
	tries int           // attempts since a connection has settled
	why   Reason        // of the next token
	again *time.Timer   // the next attempt
	token chan struct{} // held by who asks for a token

	renew      *time.Timer // the next $refresh
	refreshing bool
	renewals   int  // that failed in a row
	expired    bool // nothing is sent until the token is renewed

	rooms  map[string]*Room
	wild   []*Room // those of them that are wildcards and joined
	toJoin []*Room // wait for a $join

	out      []*outgoing // in the order in which they were given
	outBytes int
	window   time.Duration // how long the server knows a mid, as it last said
	sweepAt  time.Time
	sweep    *time.Timer
	flushed  chan struct{} // closed when out is empty and Close waits for that

	handlers map[string]*handler
	other    handler // of the types that are not in handlers
	calls    []call  // that wait for a handler
	inBytes  int

	callWorker  worker
	stateWorker worker
	tokens      chan struct{} // bounds the calls of RoomOptions.Token
}

// Stats counts what no error return can tell.
type Stats struct {
	Connects    int64 // connections that were opened
	Panics      int64 // callbacks that panicked
	Undecodable int64 // messages whose data did not fit the callback's type
	Dropped     int64 // messages without a room, and volatile ones, that found Inbox full
	Refused     int64 // casts that the server answered with an error
}

// callbackKey marks the ctx of callbacks.
type callbackKey struct{ c *Client }

// Dial opens a connection to a hub at a URL whose scheme is ws or wss, and says $hello. It returns when the
// server has answered, or with the error that the first attempt ended with: see [Options].Lazy.
// ctx bounds Dial alone.
//
// The caller ends the Client with Close.
func Dial(ctx context.Context, url string, o *Options) (*Client, error) {
	c := &Client{
		o:        withDefaults(o),
		url:      url,
		secret:   rand.Text(),
		first:    make(chan error, 1),
		done:     make(chan struct{}),
		gone:     make(chan struct{}),
		token:    make(chan struct{}, 1),
		tokens:   make(chan struct{}, 8),
		rooms:    map[string]*Room{},
		handlers: map[string]*handler{},
		why:      Hello,
	}
	c.span = span{c.o.Backoff.Min, max(c.o.Backoff.Min, c.o.Backoff.Max)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.callbackCtx = context.WithValue(c.ctx, callbackKey{c}, true)
	c.callWorker = worker{c: c, next: c.nextCall}
	c.stateWorker = worker{c: c, next: c.nextState, last: true}
	if c.o.Lazy {
		c.first = nil
	}
	first := c.first
	c.mu.Lock()
	c.spawn(c.connect)
	c.mu.Unlock()
	if first == nil {
		return c, nil
	}
	var err error
	select {
	case err = <-first:
	case <-ctx.Done():
		err = cause(ctx)
	}
	if err == nil {
		return c, nil
	}
	c.mu.Lock()
	c.end(err)
	l := c.link
	c.mu.Unlock()
	if l != nil {
		l.conn.CloseNow()
	}
	<-c.gone
	return nil, wrap("dial "+url, err)
}

// spawn runs f on a goroutine that the Client waits for. c.mu is held.
func (c *Client) spawn(f func()) {
	if c.ended {
		return
	}
	c.group.Add(1)
	go func() {
		defer c.group.Done()
		f()
	}()
}

// Close waits until what was given to Send, Call and their like is answered, or ctx ends; what is left fails. Then
// it closes the connection with 1000 and waits until all goroutines have ended. It returns ctx's error
// if that came first. After it no callback is called but OnState.
//
// A callback that calls Close must pass the ctx that it got, or one made from it: Close
// then does not wait for callbacks.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closing = true
	flushed := c.flushed
	if flushed == nil {
		flushed = make(chan struct{})
		c.flushed = flushed
		if len(c.out) == 0 {
			close(flushed)
		}
	}
	c.mu.Unlock()
	var err error
	select {
	case <-flushed:
	case <-c.done:
	case <-ctx.Done():
		err = wrap("close", cause(ctx))
	}
	c.mu.Lock()
	l := c.link
	c.end(nil)
	c.mu.Unlock()
	if inside, _ := ctx.Value(callbackKey{c}).(bool); inside {
		return err
	}
	select {
	case <-c.gone:
		return err
	case <-ctx.Done():
		if l != nil {
			l.conn.CloseNow()
		}
		return wrap("close", cause(ctx))
	}
}

// Done returns a channel that is closed when the Client has ended: by Close, or because the server sent it
// away.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the Client has ended: nil while it has not, [ErrClosed] after Close, an error that wraps
// [ErrSentAway] when the server ended it.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended && c.err == nil {
		return ErrClosed
	}
	return c.err
}

// Stats returns the counts so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// end ends the Client; err is nil if the application wants it. c.mu is held.
func (c *Client) end(err error) {
	if c.ended {
		return
	}
	c.setState(State{Phase: Closed, Err: err})
	c.ended, c.err = true, err
	c.cancel()
	stop(c.again)
	stop(c.renew)
	l := c.link
	if l != nil {
		l.end()
	}
	left := ErrClosed
	if err != nil {
		left = err
	}
	for _, p := range c.out {
		p.finished = true
		p.err = left
		if p.lost || p.sent != nil {
			p.err = unknown(left)
		}
		close(p.done)
	}
	c.out = nil
	stop(c.sweep)
	for _, r := range c.rooms {
		r.release(left)
	}
	c.toJoin, c.calls = nil, nil
	close(c.done)
	if l != nil { // c.link stays until it has closed
		l.conn.Close(ws.StatusNormalClosure, "")
	}
	go func() {
		c.group.Wait()
		close(c.gone)
	}()
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// after runs f after d with c.mu held, unless the Client has ended by then.
func (c *Client) after(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ended {
			f()
		}
	})
}

// checkType refuses what cannot be the name of an application's message.
func checkType(name string) error {
	if len(name) > 0 && name[0] == '$' {
		return fmt.Errorf("type %q belongs to the protocol", name)
	}
	if e := protocol.CheckType(name); e != nil {
		return e
	}
	return nil
}
