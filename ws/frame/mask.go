package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks p in place: each byte becomes its exclusive or with the
// byte of key that belongs to its place (RFC 6455 section 5.3). p begins at
// offset pos of the frame's payload, so that a payload may be unmasked in pieces.
func Mask(p []byte, key [4]byte, pos int) {
	MaskCopy(p, p, key, pos)
}

// MaskCopy is Mask from src to dst in one pass. dst must be at least as long as
// src; what is longer stays as it is. The two may be the same memory or
// have none in common; src is not modified otherwise.
func MaskCopy(dst, src []byte, key [4]byte, pos int) {
	k32 := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	k := uint64(k32)<<32 | uint64(k32)
	dst = dst[:len(src)]
	i := 0
	for ; i+8 <= len(src); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:])^k)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] ^ byte(k>>(8*(i&3)))
	}
}
