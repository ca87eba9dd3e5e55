//go:build !js

package websocket

import (
	"slices"
	"sync"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// PreparedMessage is a message that is checked once, and compressed once for each
// level in use, and sent to many connections. It is safe for concurrent use.
type PreparedMessage struct {
	typ  int
	data []byte

	mu   sync.Mutex
	zips map[zipKey]*zipped
}

type zipKey struct{ level, window int }

type zipped struct {
	once sync.Once
	data []byte
	err  error
}

// NewPreparedMessage prepares a message of any type. It copies data.
func NewPreparedMessage(messageType int, data []byte) (*PreparedMessage, error) {
	if err := checkType(messageType, data); err != nil {
		return nil, err
	}
	return &PreparedMessage{typ: messageType, data: slices.Clone(data)}, nil
}

// compressed returns the payload for a level and a window, made on first use.
func (m *PreparedMessage) compressed(k zipKey) ([]byte, error) {
	m.mu.Lock()
	z := m.zips[k]
	if z == nil {
		if m.zips == nil {
			m.zips = map[zipKey]*zipped{}
		}
		z = &zipped{}
		m.zips[k] = z
	}
	m.mu.Unlock()
	z.once.Do(func() { z.data, z.err = deflate.AppendStateless(nil, m.data, k.level, k.window) })
	return z.data, z.err
}

// WritePreparedMessage is WriteMessage for a prepared message. A message that
// NextWriter has open is completed first if a part of it has left, and otherwise
// follows.
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	ctx := c.writeContext()
	h := frame.Header{Fin: true, Opcode: frame.Opcode(pm.typ)}
	if isControl(pm.typ) {
		return c.writeFrame(ctx, h, pm.data)
	}
	if w := c.openWriter(); w != nil && w.underWay() {
		w.Close()
	}
	p := pm.data
	if level := c.compressLevel(pm.typ); level > 0 {
		var err error
		if p, err = pm.compressed(zipKey{level, c.raw.Window()}); err != nil {
			return err
		}
		h.RSV = frame.RSV1
	}
	return c.writeFrame(ctx, h, p)
}

// underWay reports whether a part of the message has left.
func (w *messageWriter) underWay() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun
}
