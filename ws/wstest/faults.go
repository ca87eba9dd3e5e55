package wstest

import "time"

// Faults says how one direction of a pipe misbehaves. The zero value is a
// faultless direction. Faults are given with PipeOptions or, at any time, with
// PipeConn.SetFaults.
//
// Chunk, ChunkFunc, Delay and Stall govern delivery, so they also hold for bytes
// that are buffered already. Cut and Corrupt govern acceptance, so they see only
// bytes written after the faults were set. The functions run with the direction
// locked and must not use the pipe.
type Faults struct {
	// Chunk is the most bytes that one Read gets. 0 means no bound.
	Chunk int

	// ChunkFunc, called with the number of bytes buffered (at least 1), says how
	// many of them form the next chunk. A result outside 1..buffered is brought
	// inside. nil means that Chunk alone decides; with both set ChunkFunc does.
	ChunkFunc func(buffered int) int

	// Delay is how long each chunk takes: a chunk is readable that long after
	// the one before it was read or, when nothing was waiting, after it was
	// written. Without a chunk size all that is buffered when the time is up is
	// one chunk. 0 means at once.
	Delay time.Duration

	// Stall holds everything back: bytes, the end of the stream, a reset by Cut.
	// Writes fill the buffer, then block, as they do when the peer has stopped
	// reading. Only PipeConn.Reset gets through. false means deliver.
	Stall bool

	// Cut is what happens once After bytes have been written, counted from when
	// the faults were set. With After at or below 0 it happens at once. The zero
	// value, CutNone, means nothing happens.
	Cut   Cut
	After int64

	// Corrupt may change bytes as they enter the buffer; off is the offset of
	// p[0], counted from when the faults were set. One Write may arrive in
	// several calls. It must not keep p. nil means that bytes stay as they are.
	Corrupt func(off int64, p []byte)
}

// Cut is the way in which a direction ends early.
type Cut uint8

const (
	// CutNone lets the direction be.
	CutNone Cut = iota
	// CutReset breaks the connection for both ends: each reads what is buffered
	// for it and then gets ECONNRESET; writes get it at once.
	CutReset
	// CutClose half-closes: the peer reads what is buffered and then io.EOF; the
	// writer gets EPIPE. The other direction lives on.
	CutClose
	// CutDrop loses the rest silently: writes succeed, nothing more arrives. The
	// peer sees a truncated stream when the writer closes.
	CutDrop
)

// Flip returns a Corrupt function that inverts the bits of mask in the byte at
// offset off.
func Flip(off int64, mask byte) func(int64, []byte) {
	return func(at int64, p []byte) {
		if i := off - at; i >= 0 && i < int64(len(p)) {
			p[i] ^= mask
		}
	}
}

// paced reports whether reads are bounded by chunks.
func (f *Faults) paced() bool { return f.Chunk > 0 || f.ChunkFunc != nil || f.Delay > 0 }

// chunk is the size of the next chunk of n > 0 buffered bytes.
func (f *Faults) chunk(n int) int {
	switch {
	case f.ChunkFunc != nil:
		return max(1, min(f.ChunkFunc(n), n))
	case f.Chunk > 0:
		return min(f.Chunk, n)
	}
	return n
}
