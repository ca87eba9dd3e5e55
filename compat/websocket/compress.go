//go:build !js

package websocket

import (
	"compress/flate"
	"errors"
	"sync"

	"github.com/tidewire/tidewire/ws/deflate"
)

// EnableWriteCompression switches compression of the messages to come on, which it
// is at first, or off. Without compression negotiated it does nothing.
func (c *Conn) EnableWriteCompression(enable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compress = enable
}

// SetCompressionLevel sets how hard the messages to come are compressed, from 1,
// the default, to 9, or one of the names that compress/flate has for levels:
// HuffmanOnly counts as 1, DefaultCompression as 6, and NoCompression sends plain
// messages.
func (c *Conn) SetCompressionLevel(level int) error {
	if level < flate.HuffmanOnly || level > flate.BestCompression {
		return errors.New("websocket: compression level must be between -2 and 9")
	}
	switch level {
	case flate.HuffmanOnly:
		level = flate.BestSpeed
	case flate.DefaultCompression:
		level = 6
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.level = level
	return nil
}

// compressLevel returns the level for a message, or 0 if it goes plain.
func (c *Conn) compressLevel(messageType int) int {
	if c.raw.Window() == 0 || !isData(messageType) {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.compress {
		return 0
	}
	return c.level
}

// deflated returns p compressed, in a pooled buffer.
func (c *Conn) deflated(p []byte, level int) (*[]byte, error) {
	b := buffers.Get().(*[]byte)
	z, err := deflate.AppendStateless((*b)[:0], p, level, c.raw.Window())
	if err != nil {
		putBuffer(b)
		return nil, err
	}
	*b = z
	return b, nil
}

// maxPooled bounds the buffers that are kept.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// BufferPool is a pool of write buffers, for the fields WriteBufferPool. They have
// no effect here: package ws pools its buffers by itself. A *sync.Pool is one.
type BufferPool interface {
	// Get returns a value from the pool, or nil.
	Get() any
	// Put adds a value to the pool.
	Put(any)
}
