package frame

import (
	"encoding/binary"
	"math/rand/v2"
)

// NewKey returns a new masking key. It comes from the generator of the Go
// runtime, ChaCha8 seeded by the operating system, because "the masking key needs
// to be unpredictable" (RFC 6455 section 5.3). It may be called by any number of
// goroutines and does not allocate.
func NewKey() (key [4]byte) {
	binary.LittleEndian.PutUint32(key[:], rand.Uint32())
	return key
}
