package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks p in place: each byte becomes its exclusive or with the
// byte of key that belongs to its place (RFC 6455 section 5.3). p begins at
// offset pos of the frame's payload, so that a payload may be unmasked in pieces;
// pos modulo 4 suffices.
func Mask(p []byte, key [4]byte, pos int) {
	k := word(key, pos)
	for len(p) > 128 {
		b := (*[64]byte)(p)
		le.PutUint64(b[0:], le.Uint64(b[0:])^k)
		le.PutUint64(b[8:], le.Uint64(b[8:])^k)
		le.PutUint64(b[16:], le.Uint64(b[16:])^k)
		le.PutUint64(b[24:], le.Uint64(b[24:])^k)
		le.PutUint64(b[32:], le.Uint64(b[32:])^k)
		le.PutUint64(b[40:], le.Uint64(b[40:])^k)
		le.PutUint64(b[48:], le.Uint64(b[48:])^k)
		le.PutUint64(b[56:], le.Uint64(b[56:])^k)
		p = p[64:]
	}
	maskShort(p, p, k)
}

// MaskCopy is Mask from src to dst in one pass. dst must be at least as long as
// src; what it has beyond that stays as it is. src is not modified. The two may
// begin at the same byte, but must not overlap otherwise.
func MaskCopy(dst, src []byte, key [4]byte, pos int) {
	k := word(key, pos)
	dst = dst[:len(src)]
	for len(src) > 128 && len(dst) > 128 {
		d, s := (*[64]byte)(dst), (*[64]byte)(src)
		le.PutUint64(d[0:], le.Uint64(s[0:])^k)
		le.PutUint64(d[8:], le.Uint64(s[8:])^k)
		le.PutUint64(d[16:], le.Uint64(s[16:])^k)
		le.PutUint64(d[24:], le.Uint64(s[24:])^k)
		le.PutUint64(d[32:], le.Uint64(s[32:])^k)
		le.PutUint64(d[40:], le.Uint64(s[40:])^k)
		le.PutUint64(d[48:], le.Uint64(s[48:])^k)
		le.PutUint64(d[56:], le.Uint64(s[56:])^k)
		dst, src = dst[64:], src[64:]
	}
	maskShort(dst, src, k)
}

// The order of bytes in which a word is loaded, masked and stored does not matter
// as long as it is the same everywhere; most machines do this one in one step.
var le = binary.LittleEndian

// word returns the key repeated to eight bytes, for a payload that begins at pos.
func word(key [4]byte, pos int) uint64 {
	k := bits.RotateLeft32(le.Uint32(key[:]), -8*(pos&3))
	return uint64(k)<<32 | uint64(k)
}

// maskShort masks up to 128 bytes, which are all that most messages have, without
// a loop: it takes the block of 64, 32, 16, 8 or 4 bytes that src begins with and
// the one of the same size that it ends with. Where the two overlap, both write
// the same bytes. The last block is loaded before the first one is stored, because
// dst and src may be the same.
func maskShort(dst, src []byte, k uint64) {
	n := len(src)
	dst = dst[:n]
	end := bits.RotateLeft64(k, -8*(n&3)) // the key for words that n is a multiple of 4 behind
	switch {
	case n >= 64:
		d, s := (*[64]byte)(dst), (*[64]byte)(src)
		dn, sn := (*[64]byte)(dst[n-64:]), (*[64]byte)(src[n-64:])
		w0, w1, w2, w3 := le.Uint64(sn[0:])^end, le.Uint64(sn[8:])^end, le.Uint64(sn[16:])^end, le.Uint64(sn[24:])^end
		w4, w5, w6, w7 := le.Uint64(sn[32:])^end, le.Uint64(sn[40:])^end, le.Uint64(sn[48:])^end, le.Uint64(sn[56:])^end
		le.PutUint64(d[0:], le.Uint64(s[0:])^k)
		le.PutUint64(d[8:], le.Uint64(s[8:])^k)
		le.PutUint64(d[16:], le.Uint64(s[16:])^k)
		le.PutUint64(d[24:], le.Uint64(s[24:])^k)
		le.PutUint64(d[32:], le.Uint64(s[32:])^k)
		le.PutUint64(d[40:], le.Uint64(s[40:])^k)
		le.PutUint64(d[48:], le.Uint64(s[48:])^k)
		le.PutUint64(d[56:], le.Uint64(s[56:])^k)
		le.PutUint64(dn[0:], w0)
		le.PutUint64(dn[8:], w1)
		le.PutUint64(dn[16:], w2)
		le.PutUint64(dn[24:], w3)
		le.PutUint64(dn[32:], w4)
		le.PutUint64(dn[40:], w5)
		le.PutUint64(dn[48:], w6)
		le.PutUint64(dn[56:], w7)
	case n >= 32:
		d, s := (*[32]byte)(dst), (*[32]byte)(src)
		dn, sn := (*[32]byte)(dst[n-32:]), (*[32]byte)(src[n-32:])
		w0, w1, w2, w3 := le.Uint64(sn[0:])^end, le.Uint64(sn[8:])^end, le.Uint64(sn[16:])^end, le.Uint64(sn[24:])^end
		le.PutUint64(d[0:], le.Uint64(s[0:])^k)
		le.PutUint64(d[8:], le.Uint64(s[8:])^k)
		le.PutUint64(d[16:], le.Uint64(s[16:])^k)
		le.PutUint64(d[24:], le.Uint64(s[24:])^k)
		le.PutUint64(dn[0:], w0)
		le.PutUint64(dn[8:], w1)
		le.PutUint64(dn[16:], w2)
		le.PutUint64(dn[24:], w3)
	case n >= 16:
		d, s := (*[16]byte)(dst), (*[16]byte)(src)
		dn, sn := (*[16]byte)(dst[n-16:]), (*[16]byte)(src[n-16:])
		w0, w1 := le.Uint64(sn[0:])^end, le.Uint64(sn[8:])^end
		le.PutUint64(d[0:], le.Uint64(s[0:])^k)
		le.PutUint64(d[8:], le.Uint64(s[8:])^k)
		le.PutUint64(dn[0:], w0)
		le.PutUint64(dn[8:], w1)
	case n >= 8:
		w := le.Uint64(src[n-8:]) ^ end
		le.PutUint64(dst, le.Uint64(src)^k)
		le.PutUint64(dst[n-8:], w)
	case n >= 4:
		w := le.Uint32(src[n-4:]) ^ uint32(end)
		le.PutUint32(dst, le.Uint32(src)^uint32(k))
		le.PutUint32(dst[n-4:], w)
	case n > 0:
		// The first byte, the one in the middle and the last one are all.
		mid := n >> 1
		b0, b1, b2 := src[0]^byte(k), src[mid]^byte(k>>(8*mid)), src[n-1]^byte(end>>24)
		dst[0], dst[mid], dst[n-1] = b0, b1, b2
	}
}
