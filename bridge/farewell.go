package bridge

import (
	"context"
	"errors"
	"io"

	"github.com/tidewire/tidewire/ws"
)

// A farewell is the close frame of a WebSocket connection whose other side is one, too. Whatever its code, it passes.
type farewell struct{ *ws.CloseError }

func (f *farewell) Unwrap() error { return f.CloseError }

// farewellOr is the farewell of a peer that has closed, where err tells of that, and otherwise another error.
func farewellOr(err, other error) error {
	var closed *ws.CloseError
	if errors.As(err, &closed) && closed.By == ws.Peer {
		return &farewell{closed}
	}
	return other
}

// passTo passes the messages on to another WebSocket connection, until one of the two ends, which is what the error says.
func (m *messages) passTo(dst *messages, moved func(n int64)) error {
	ctx := context.Background()
	for {
		m.buf.drop()
		typ, r, err := m.open()
		if err != nil {
			return farewellOr(err, err)
		}
		p := m.buf.take()
		n, err := io.ReadFull(r, p)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if err := dst.conn.Write(ctx, typ, p[:n]); err != nil {
				return farewellOr(err, &putError{err})
			}
			moved(int64(n))
			continue
		}
		if err != nil {
			return err
		}
		if err := passLong(ctx, dst, typ, p, r, moved); err != nil {
			return err
		}
	}
}

// passLong passes a message on of which p has been read already. Where it fails, what is left of the message is for the relay to
// end, with the reason: Cancel would end the connection without.
func passLong(ctx context.Context, dst *messages, typ ws.MessageType, p []byte, r io.Reader, moved func(n int64)) error {
	w, err := dst.conn.Writer(ctx, typ)
	if err != nil {
		return farewellOr(err, &putError{err})
	}
	for n := len(p); ; {
		if _, err := w.Write(p[:n]); err != nil {
			return farewellOr(err, &putError{err})
		}
		moved(int64(n))
		var err error
		if n, err = r.Read(p); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return farewellOr(err, &putError{err})
	}
	return nil
}
