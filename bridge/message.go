package bridge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/tidewire/tidewire/ws"
)

// Subprotocols that the bridge has a meaning for.
const (
	// StreamProtocol carries a stream with its half-close: the bytes are in binary messages, and an empty text message
	// ends the direction that it is sent in. When both have ended, either side closes with 1000.
	StreamProtocol = "stream.tidewire"
	// BinaryProtocol is what noVNC and websockify call bytes in binary messages, which is what no subprotocol means too.
	BinaryProtocol = "binary"
	// Base64Protocol is theirs for clients that have no binary messages: the bytes are in text messages, in base64.
	Base64Protocol = "base64"
)

// maxPacket is the longest message where the other side is datagrams: what UDP over IPv4 carries.
const maxPacket = 65507

// messages is an end that is a WebSocket connection.
type messages struct {
	conn   *ws.Conn
	half   bool // StreamProtocol
	base64 bool
	whole  bool // next returns whole messages
	buf    scratch
	reader io.Reader // of the message that is being read

	// The message that await has found, until it is opened.
	first     io.Reader
	firstType ws.MessageType

	// What comes in, or goes out, is neither masked nor under TLS: the kernel can move it.
	unmaskedIn, unmaskedOut bool
}

// newMessages takes the connection over. Where whole is set, next returns messages as they came; otherwise parts of them.
func newMessages(conn *ws.Conn, whole bool) *messages {
	m := &messages{conn: conn, whole: whole}
	switch conn.Subprotocol() {
	case StreamProtocol:
		m.half = true
	case Base64Protocol:
		m.base64, m.whole = true, true
	}
	return m
}

// connOptions is for a connection whose other side is the target, or the client, and which may come to speak base64.
func connOptions(other Endpoint, framing Framing, base64ed bool) ws.ConnOptions {
	o := ws.ConnOptions{
		WriteQueue:     bufferSize,
		MaxMessage:     -1, // they are passed on in parts
		MessageTimeout: -1, // as slowly as the other side takes them
		WriteTimeout:   -1, // Idle is what ends it
		// Pings keep what is between the two from forgetting the connection. A peer that passes on to somebody slow does
		// not read them, and is not dead for that.
		PingMisses: math.MaxInt32,
	}
	if other.packets() || framing == Length16 {
		o.MaxMessage = maxPacket
		if framing == Length16 {
			o.MaxMessage = maxFrame
		}
	}
	if base64ed && o.MaxMessage > 0 {
		o.MaxMessage = int64(base64.StdEncoding.EncodedLen(int(o.MaxMessage)))
	}
	return o
}

// maxBase64 is the longest message under Base64Protocol, which is read as a whole: before it is decoded.
const maxBase64 = (1<<20 + 2) / 3 * 4

var (
	errBase64    = errors.New("a message is no base64")
	errBase64Big = errors.New("a message in base64 is longer than 1 MiB")
)

func (m *messages) await(context.Context) error {
	typ, r, err := m.conn.Reader(context.Background()) // whose context is that of the message too
	if err != nil {
		return err
	}
	m.first, m.firstType = r, typ
	return nil
}

// open waits for the next message.
func (m *messages) open() (ws.MessageType, io.Reader, error) {
	if r := m.first; r != nil {
		m.first = nil
		return m.firstType, r, nil
	}
	return m.conn.Reader(context.Background())
}

func (m *messages) next() ([]byte, error) {
	m.buf.drop()
	for {
		if m.reader == nil {
			r, err := m.begin()
			if err != nil {
				return nil, err
			}
			m.reader = r
		}
		p := m.buf.take()
		if m.whole {
			return m.message(p)
		}
		n, err := m.reader.Read(p)
		if err == io.EOF {
			m.reader = nil
			err = nil
		}
		if err != nil {
			return nil, m.ended(err)
		}
		if n > 0 {
			return p[:n], nil
		}
		m.buf.drop()
	}
}

// begin opens the next message of those that hold bytes.
func (m *messages) begin() (io.Reader, error) {
	typ, r, err := m.open()
	if err != nil {
		return nil, m.ended(err)
	}
	if m.half && typ == ws.Text {
		return nil, m.end(r)
	}
	return r, nil
}

// message reads the whole of the message, into p if that is large enough.
func (m *messages) message(p []byte) ([]byte, error) {
	n, err := io.ReadFull(m.reader, p)
	p = p[:n]
	if err == nil {
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(m.reader, maxBase64)) // without base64, MaxMessage is less
		p = append(p, rest...)
	}
	m.reader = nil
	if len(p) > maxBase64 {
		return nil, errBase64Big
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, m.ended(err)
	}
	if !m.base64 {
		return p, nil
	}
	decoded, err := base64.StdEncoding.AppendDecode(nil, p) // which looks over line breaks
	if err != nil {
		return nil, errBase64
	}
	return decoded, nil
}

// end is what the text message of StreamProtocol means.
func (m *messages) end(r io.Reader) error {
	var one [1]byte
	if _, err := io.ReadFull(r, one[:]); err == nil {
		return fmt.Errorf("a text message that is not empty, under the subprotocol %s", StreamProtocol)
	} else if err != io.EOF {
		return m.ended(err)
	}
	m.conn.CloseRead(context.Background()) // pings and the close are answered while the other direction goes on
	return io.EOF
}

// ended is io.EOF for a peer that has closed in good order.
func (m *messages) ended(err error) error {
	if inOrder(err) {
		return io.EOF
	}
	return err
}

// inOrder reports whether a peer has closed, having said all that it had to say. A page that was left (1001) has not.
func inOrder(err error) bool {
	var closed *ws.CloseError
	return errors.As(err, &closed) && closed.By == ws.Peer && (closed.Code == ws.StatusNormalClosure || closed.Code == ws.StatusNoStatusRcvd)
}

func (m *messages) put(p []byte) error {
	typ := ws.Binary
	if m.base64 {
		typ, p = ws.Text, base64.StdEncoding.AppendEncode(nil, p)
	}
	err := m.conn.Write(context.Background(), typ, p)
	if inOrder(err) {
		return errGone
	}
	return err
}

func (m *messages) finish() bool {
	if m.half {
		m.conn.Write(context.Background(), ws.Text, nil) // where it fails, next fails too
	}
	return m.half
}

func (m *messages) unsent() int { return unsentOf(m.conn.NetConn()) }

func (m *messages) gone() bool { return inOrder(context.Cause(m.conn.Context())) }

func (m *messages) close(why error) {
	code, reason := closeCode(why)
	m.conn.Close(code, reason)
	m.conn.CloseNow()
}
