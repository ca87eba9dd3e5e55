package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// What a peer can keep us waiting for.
const (
	idleTime  = 5 * time.Minute  // between two frames
	frameTime = 30 * time.Second // for one frame, either way
	closeTime = 5 * time.Second  // for the closing, all in all
	ahead     = 64 << 10         // bytes of memory ahead of the bytes that have arrived
	drain     = 1 << 20          // bytes read and thrown away after a close frame
)

// Frame is a frame with data: a message, or a part of one.
type Frame struct {
	Opcode     frame.Opcode // Text, Binary, or Continuation
	IsFragment bool         // more of the message follows
	Payload    []byte       // unmasked; valid until the next Recv
}

// WS is the server's end of a connection. One goroutine receives; any may send.
type WS struct {
	Limit int64 // largest message, in bytes

	header http.Header // the client's handshake
	conn   net.Conn
	in     *bufio.Reader

	// The receiver's.
	state   frame.State
	scratch [frame.MaxHeaderSize]byte
	payload []byte
	message int64      // bytes of the message so far
	isText  bool       // the message is text
	text    frame.UTF8 // and this is how much of it is UTF-8

	mu     sync.Mutex // guards what follows, and the order of frames
	out    []byte
	closed bool // our close frame has left
}

// closeError is the peer's close frame.
type closeError struct {
	Code   frame.StatusCode
	Reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("the peer closed the connection: %d %s", uint16(e.Code), e.Reason)
}

var errClosed = errors.New("a close frame has been sent")

// Recv returns the next frame with data. It answers pings, ignores pongs, and
// returns a *closeError once the peer has closed. A *frame.Error says what the
// peer did wrong; hand every error to Fail.
func (ws *WS) Recv() (Frame, error) {
	for {
		if err := ws.wait(); err != nil {
			return Frame{}, err
		}
		h, err := frame.ReadHeader(ws.in, ws.scratch[:])
		if err == nil {
			err = ws.state.Check(h) // masks, reserved bits, opcodes, fragments, sizes of control frames
		}
		if err != nil {
			return Frame{}, err
		}
		if h.Opcode.IsControl() {
			// It may stand between the fragments of a message, and does not touch them.
			if err := ws.control(h); err != nil {
				return Frame{}, err
			}
			continue
		}
		if h.Opcode != frame.Continuation {
			ws.message, ws.isText = 0, h.Opcode == frame.Text
			ws.text.Reset()
		}
		// The limit is for the message: any number of small fragments is a big one.
		if h.Length > ws.Limit-ws.message {
			return Frame{}, frame.ErrTooBig
		}
		ws.message += h.Length
		if err := ws.data(h); err != nil {
			return Frame{}, err
		}
		return Frame{Opcode: h.Opcode, IsFragment: !h.Fin, Payload: ws.payload}, nil
	}
}

// wait gives the peer its time to begin a frame, and then to end it.
func (ws *WS) wait() error {
	if err := ws.patience(idleTime); err != nil {
		return err
	}
	if _, err := ws.in.Peek(1); err != nil {
		return err
	}
	return ws.patience(frameTime)
}

// patience moves the deadline for reading. Behind our close frame it stands still:
// what the peer goes on sending does not keep the connection open.
func (ws *WS) patience(d time.Duration) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return nil
	}
	return ws.conn.SetReadDeadline(time.Now().Add(d))
}

// data reads a payload piece by piece, as it arrives: text that is broken is
// refused at its first wrong byte, and a length that is only announced costs no
// memory. frame.ReadPayload is the short way for whoever needs no such haste.
func (ws *WS) data(h frame.Header) error {
	p := ws.payload[:0]
	for int64(len(p)) < h.Length {
		room := int(min(h.Length-int64(len(p)), ahead))
		p = slices.Grow(p, room)
		n, err := ws.in.Read(p[len(p) : len(p)+room])
		piece := p[len(p) : len(p)+n]
		frame.Mask(piece, h.Key, len(p))
		if ws.isText && !ws.text.Write(piece) {
			return frame.ErrInvalidUTF8
		}
		p = p[:len(p)+n]
		if err != nil && int64(len(p)) < h.Length {
			return err
		}
	}
	if h.Fin && ws.isText && !ws.text.Complete() {
		return frame.ErrInvalidUTF8
	}
	ws.payload = p
	return nil
}

func (ws *WS) control(h frame.Header) error {
	var room [frame.MaxControlPayload]byte
	p, err := frame.ReadPayload(ws.in, h, room[:0], frame.MaxControlPayload)
	if err != nil {
		return err
	}
	switch h.Opcode {
	case frame.Ping:
		return ws.write(frame.Pong, true, p)
	case frame.Close:
		code, reason, err := frame.ParseClose(p)
		if err != nil {
			return err
		}
		return &closeError{code, string(reason)}
	}
	return nil
}

// Send sends a frame. What is sent as fragments must be sent by one goroutine.
func (ws *WS) Send(f Frame) error {
	return ws.write(f.Opcode, !f.IsFragment, f.Payload)
}

func (ws *WS) write(op frame.Opcode, fin bool, p []byte) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return errClosed // RFC 6455 section 5.5.1: no frame follows a close frame
	}
	limit := frameTime
	if op == frame.Close {
		ws.closed = true
		limit = closeTime
		if err := ws.conn.SetReadDeadline(time.Now().Add(closeTime)); err != nil {
			return err
		}
	}
	if err := ws.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	// A server's frames have no mask (RFC 6455 section 5.1).
	ws.out = frame.Append(ws.out[:0], frame.Header{Fin: fin, Opcode: op}, p)
	_, err := ws.conn.Write(ws.out)
	return err
}

// StartClose sends a close frame. The peer answers with its own, and Recv tells of
// that to whoever receives; should it not, Recv gives up after closeTime.
func (ws *WS) StartClose(code frame.StatusCode, reason string) error {
	p, err := frame.AppendClose(nil, code, reason)
	if err != nil {
		return err
	}
	return ws.write(frame.Close, true, p)
}

// Close closes the connection with a code and waits for the peer's answer, but not
// for long. It is for the goroutine that receives; others call StartClose.
func (ws *WS) Close(code frame.StatusCode, reason string) error {
	if err := ws.StartClose(code, reason); err != nil {
		return err
	}
	for {
		if _, err := ws.Recv(); err != nil {
			ws.Fail(err)
			if _, ok := errors.AsType[*closeError](err); ok {
				return nil
			}
			return err
		}
	}
}

// Fail ends the connection as the error of Recv or Send asks for: with the close
// frame that answers the peer's, with one that says what was wrong, or at once.
func (ws *WS) Fail(err error) {
	defer ws.conn.Close()
	var p []byte
	if closing, ok := errors.AsType[*closeError](err); ok {
		if closing.Code != frame.StatusNoStatusRcvd { // an empty close frame is answered with another
			p, _ = frame.AppendClose(nil, closing.Code, "")
		}
	} else if refusal, ok := errors.AsType[*frame.Error](err); ok {
		p, _ = frame.AppendClose(nil, refusal.Code, refusal.Reason)
	} else if !errors.Is(err, errClosed) {
		return // the network failed: nobody would hear us
	}
	if err := ws.write(frame.Close, true, p); err != nil && !errors.Is(err, errClosed) {
		return
	}
	// Closing a socket with unread input resets it, and the reset would overtake our
	// close frame. So our half ends first, and what still comes is thrown away.
	if half, ok := ws.conn.(interface{ CloseWrite() error }); ok {
		if half.CloseWrite() == nil {
			io.CopyN(io.Discard, ws.in, drain)
		}
	}
}
