package talk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// WebSocket is a Peer at the end of a WebSocket connection that nobody has read
// from, and whose QueuePolicy is RefuseWrite. what is what String tells beside the
// subprotocol.
//
// The connection is attached at once: only then what comes behind our close frame
// is delivered, however soon that leaves.
func WebSocket(c *ws.Conn, what string) (Peer, error) {
	p := &webSocket{conn: c, what: what, drained: make(chan struct{}, 1), reading: make(chan struct{}), aborted: make(chan struct{}), closed: make(chan struct{})}
	if err := c.Attach(p); err != nil {
		c.CloseNow()
		return nil, err
	}
	return p, nil
}

type webSocket struct {
	conn    *ws.Conn
	what    string
	drained chan struct{} // holds one token after the queue has emptied
	reading chan struct{} // is closed once deliver is set
	deliver func(Message)
	aborted chan struct{} // is closed when nobody will receive
	abort   sync.Once
	closed  chan struct{} // is closed once err is set
	err     error
}

// Opened is for ws.
func (p *webSocket) Opened(*ws.Conn) {}

// Message is for ws. It holds the connection up until somebody receives.
func (p *webSocket) Message(_ *ws.Conn, typ ws.MessageType, data []byte) {
	select {
	case <-p.reading:
		p.deliver(Message{Binary: typ == ws.Binary, Data: data})
	case <-p.aborted:
	}
}

// Drained is for ws.
func (p *webSocket) Drained(*ws.Conn) {
	select {
	case p.drained <- struct{}{}:
	default:
	}
}

// Closed is for ws.
func (p *webSocket) Closed(_ *ws.Conn, err error) {
	p.err = err
	close(p.closed)
}

// Send waits while the queue is full.
func (p *webSocket) Send(ctx context.Context, m Message) error {
	typ := ws.Text
	if m.Binary {
		typ = ws.Binary
	}
	for {
		err := p.conn.Write(ctx, typ, m.Data)
		switch {
		case errors.Is(err, ws.ErrQueueFull):
		case err != nil && ctx.Err() == nil && p.conn.Context().Err() == nil: // the connection goes on: it is the message
			return badInput{fmt.Errorf("a message cannot be sent: %w", err)}
		default:
			return err
		}
		select {
		case <-p.drained:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.conn.Context().Done():
			return context.Cause(p.conn.Context())
		}
	}
}

func (p *webSocket) Receive(ctx context.Context, f func(Message)) End {
	p.deliver = f
	close(p.reading)
	select {
	case <-p.closed:
	case <-ctx.Done():
		p.conn.CloseNow()
		<-p.closed
	}
	p.depart()
	return endOf(p.err)
}

// depart lets our close frame leave, for which ws need not have waited: the process may end now. A peer that takes nothing is given up.
func (p *webSocket) depart() {
	for end := time.Now().Add(lastWrite); p.conn.Buffered() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// endOf is the End that a connection's error tells of.
func endOf(err error) End {
	var closed *ws.CloseError
	if !errors.As(err, &closed) {
		return End{By: ws.Network, Err: err}
	}
	e := End{By: closed.By, Code: closed.Code, Reason: closed.Reason, Cut: closed.By == ws.Us && closed.Cause != nil}
	if closed.By == ws.Network || closed.By == ws.Policy {
		e.Err = closed.Cause
	}
	return e
}

// leavesEvery is how often Finish looks whether all has left: ws tells of that only where a Write was refused.
const leavesEvery = 50 * time.Millisecond

// Finish closes once all that was sent has left: from then on the time runs that ws gives the peer.
func (p *webSocket) Finish(code ws.StatusCode, reason string) error {
	if p.conn.Buffered() == 0 {
		return p.conn.Close(code, reason)
	}
	if err := frame.CheckClose(code, reason); err != nil {
		return err
	}
	go func() {
		ticker := time.NewTicker(leavesEvery)
		defer ticker.Stop()
		for p.conn.Buffered() > 0 {
			select {
			case <-ticker.C:
			case <-p.conn.Context().Done():
				return
			}
		}
		p.conn.Close(code, reason)
	}()
	return nil
}

func (p *webSocket) Ping(ctx context.Context) (time.Duration, error) { return p.conn.Ping(ctx) }

func (p *webSocket) Abort() {
	p.abort.Do(func() { close(p.aborted) })
	p.conn.CloseNow()
}

func (p *webSocket) String() string {
	s := p.what
	if name := p.conn.Subprotocol(); name != "" {
		s += ", subprotocol " + name
	}
	return s
}
