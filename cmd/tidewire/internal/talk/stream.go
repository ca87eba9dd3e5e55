package talk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/ws"
)

const (
	// partWait is how long a piece of a line waits for the rest of it.
	partWait = 50 * time.Millisecond
	// streamQuiet is how long a stream that is finished here may say nothing.
	streamQuiet = 5 * time.Second
	// writeStuck is how long a stream may take nothing.
	writeStuck = 30 * time.Second
	// maxPiece bounds the line of a stream; longer ones come in pieces.
	maxPiece = 64 << 10
)

// Stream is a Peer at the end of a stream without messages, such as a TCP
// connection. Each message sent is a line, as it is without its end where it is
// binary, and so is each that comes: with raw, what comes is binary pieces.
func Stream(nc net.Conn, what string, raw bool) Peer {
	return &stream{conn: nc, what: what, raw: raw}
}

type stream struct {
	conn    net.Conn
	what    string
	raw     bool
	ours    atomic.Bool // we have finished
	aborted atomic.Bool
}

func (p *stream) Send(ctx context.Context, m Message) error {
	data := m.Data
	if !m.Binary {
		data = append(bytes.Clone(data), '\n')
	}
	p.conn.SetWriteDeadline(time.Now().Add(writeStuck))
	stop := context.AfterFunc(ctx, func() { p.conn.SetWriteDeadline(time.Now()) })
	defer stop()
	_, err := p.conn.Write(data)
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		p.conn.Close() // a piece of it may have left: nobody could go on
	}
	return err
}

func (p *stream) Receive(ctx context.Context, f func(Message)) End {
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	defer p.conn.Close()
	var held []byte // a piece of a line
	buf := make([]byte, chunk)
	release := func() {
		if len(held) > 0 {
			f(Message{Part: true, Data: held})
			held = nil
		}
	}
	for {
		p.conn.SetReadDeadline(p.patience(len(held) > 0))
		n, err := p.conn.Read(buf)
		rest := buf[:n]
		if p.raw && n > 0 {
			f(Message{Binary: true, Data: rest})
			rest = nil
		}
		for len(rest) > 0 {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				held = append(held, rest...)
				if len(held) >= maxPiece {
					release()
				}
				break
			}
			f(Message{Data: append(held, rest[:i]...)})
			held, rest = nil, rest[i+1:]
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && len(held) > 0:
			release()
		case errors.Is(err, os.ErrDeadlineExceeded) && !p.ours.Load(): // Finish has woken us, or was about to
		default:
			release()
			return p.end(err)
		}
	}
}

// patience is when a read is to end.
func (p *stream) patience(holding bool) time.Time {
	switch {
	case holding:
		return time.Now().Add(partWait)
	case p.ours.Load():
		return time.Now().Add(streamQuiet)
	}
	return time.Time{}
}

func (p *stream) end(err error) End {
	switch ours := p.ours.Load(); {
	case p.aborted.Load(), ours && (errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)):
		return End{By: ws.Us}
	case errors.Is(err, io.EOF):
		return End{By: ws.Peer}
	}
	return End{By: ws.Network, Err: err}
}

// Finish ends our half, where there are halves.
func (p *stream) Finish(ws.StatusCode, string) error {
	half, ok := p.conn.(interface{ CloseWrite() error })
	p.ours.Store(true)
	if !ok {
		return p.conn.Close()
	}
	err := half.CloseWrite()
	p.conn.SetReadDeadline(time.Now().Add(streamQuiet))
	return err
}

func (p *stream) Ping(context.Context) (time.Duration, error) { return 0, errNoPing }

func (p *stream) Abort() {
	p.aborted.Store(true)
	p.conn.Close()
}

func (p *stream) String() string { return p.what }

// Datagrams is a Peer to which each message is a datagram, and back.
func Datagrams(nc net.Conn, what string, raw bool) Peer {
	return &datagrams{stream: stream{conn: nc, what: what, raw: raw}}
}

type datagrams struct {
	stream
	lost atomic.Pointer[error] // why it was closed
}

func (p *datagrams) Send(_ context.Context, m Message) error {
	_, err := p.conn.Write(m.Data)
	if errors.Is(err, errTooLong) {
		return badInput{errors.New("the message is too long for a datagram")}
	}
	if err != nil { // that nobody is there is told once: here, or where something is received
		p.lost.CompareAndSwap(nil, &err)
		p.conn.Close()
	}
	return err
}

func (p *datagrams) Receive(ctx context.Context, f func(Message)) End {
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	defer p.conn.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := p.conn.Read(buf)
		if why := p.lost.Load(); why != nil {
			err = *why
		}
		if err != nil {
			return p.end(err)
		}
		f(Message{Binary: p.raw, Data: buf[:n]})
	}
}

// Finish ends it at once: a datagram says nothing of those that follow.
func (p *datagrams) Finish(ws.StatusCode, string) error {
	p.ours.Store(true)
	return p.conn.Close()
}
