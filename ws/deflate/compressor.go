package deflate

// Compressor is the sending side of one connection. Between messages it holds
// nothing but its history. It is not safe for concurrent use: messages must be
// compressed in the order in which they are sent.
type Compressor struct {
	history   history
	threshold int
	keep      int // bytes of history; 0 without context takeover
	level     uint8
	bits      uint8
}

// NewCompressor returns the sending side of a connection with these parameters;
// client says that we are the client. o is not retained.
func NewCompressor(o *Options, p Params, client bool) *Compressor {
	alone, bits := p.sent(client)
	bits = min(bits, o.windowBits())
	c := &Compressor{level: uint8(o.level()), bits: uint8(bits)}
	if !alone && !o.NoContextTakeover {
		c.keep = o.history(bits)
	}
	c.threshold = o.threshold(c.keep > 0)
	return c
}

// Wants reports whether a message of n bytes is worth compressing, by
// [Options.Threshold]. It may be called by several goroutines at once.
func (c *Compressor) Wants(n int) bool { return n >= c.threshold }

// Append appends the compressed payload of the message p to dst. The message
// must be sent next, because the following ones refer to it. The parts of a
// fragmented message are appended one by one, each but the last with the octets
// 00 00 ff ff behind it (RFC 7692 §7.2.1 removes those only from the last). p is
// not retained. After an error dst is returned as it was and the history is as it was.
func (c *Compressor) Append(dst, p []byte) ([]byte, error) {
	out, err := encode(dst, p, &c.history, int(c.level), int(c.bits))
	if err != nil {
		return dst, err
	}
	c.Observe(p)
	return out, nil
}

// Observe says that p went out inside a compressed frame that was made by
// [AppendStateless], so that the peer has it in its window. Messages that go
// out uncompressed are not observed: the peer does not decompress them, so they
// are not in its window. p is not retained.
func (c *Compressor) Observe(p []byte) { c.history.add(p, c.keep) }

// Window is the power of two, from 8 to 15, that bounds how far back what we
// send may refer. It never changes, and may be called by several goroutines at
// once.
func (c *Compressor) Window() int { return int(c.bits) }

// Held is the number of bytes that the history holds now.
func (c *Compressor) Held() int { return c.history.held() }

// Release gives the history back at the connection's end. The Compressor must
// not be used after it, but may be released again.
func (c *Compressor) Release() { c.history.release() }
