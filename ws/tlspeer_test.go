//go:build !js

package ws_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net"
	"strings"
	"testing"
)

// The types of TLS records, and of the handshake messages and alerts that the
// tests send.
const (
	tlsAlert     = 21
	tlsHandshake = 22
	tlsData      = 23

	tlsClientHello = 1
	tlsKeyUpdate   = 24

	tlsCloseNotify  = 0
	tlsUserCanceled = 90
)

// tlsPeer is a TLS client that sends what crypto/tls never would. crypto/tls makes
// the handshake; the records behind it are made here (RFC 8446 section 5, RFC 5246
// section 6.2, RFC 5288).
type tlsPeer struct {
	t       testing.TB
	nc      net.Conn
	version uint16
	hash    func() hash.Hash
	in, out tlsHalf
}

// tlsHalf is one direction.
type tlsHalf struct {
	secret []byte // TLS 1.3
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// newTLSPeer makes the handshake on nc.
func newTLSPeer(t testing.TB, nc net.Conn, version uint16) *tlsPeer {
	t.Helper()
	var log bytes.Buffer
	by := &byRecord{Conn: nc}
	c := tls.Client(by, &tls.Config{
		RootCAs: certificate().roots, ServerName: "localhost", KeyLogWriter: &log,
		MinVersion: version, MaxVersion: version,
		CipherSuites:       []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		ClientSessionCache: tls.NewLRUClientSessionCache(1), // TLS 1.3: have a ticket sent
	})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	secrets := map[string][2][]byte{}
	for line := range strings.Lines(log.String()) {
		var label, random, secret string
		fmt.Sscan(line, &label, &random, &secret)
		r, _ := hex.DecodeString(random)
		s, _ := hex.DecodeString(secret)
		secrets[label] = [2][]byte{r, s}
	}
	p := &tlsPeer{t: t, nc: nc, version: version, hash: sha256.New}
	if version == tls.VersionTLS13 {
		size := 16
		switch suite := c.ConnectionState().CipherSuite; suite {
		case tls.TLS_AES_128_GCM_SHA256:
		case tls.TLS_AES_256_GCM_SHA384:
			p.hash, size = sha512.New384, 32
		default:
			t.Fatalf("no records of %s are made here", tls.CipherSuiteName(suite))
		}
		p.in.use(p, secrets["SERVER_TRAFFIC_SECRET_0"][1], size)
		p.out.use(p, secrets["CLIENT_TRAFFIC_SECRET_0"][1], size)
		return p
	}
	master := secrets["CLIENT_RANDOM"]
	// The server's random stands behind the headers of the record and of the
	// message, and the version.
	seed := append(append([]byte("key expansion"), by.first[11:43]...), master[0]...)
	keys := prf(master[1], seed, 2*16+2*4)
	p.out = tlsHalf{aead: gcm(keys[:16]), iv: keys[32:36], seq: 1} // Finished was the first
	p.in = tlsHalf{aead: gcm(keys[16:32]), iv: keys[36:], seq: 1}
	return p
}

// byRecord reads no further than to the end of a record.
type byRecord struct {
	net.Conn
	head  []byte
	left  int
	first []byte // what came first
}

func (c *byRecord) Read(p []byte) (int, error) {
	if c.left == 0 {
		var head [5]byte
		if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
			return 0, err
		}
		c.head, c.left = head[:], int(binary.BigEndian.Uint16(head[3:]))
	}
	var n int
	var err error
	if len(c.head) > 0 {
		n = copy(p, c.head)
		c.head = c.head[n:]
	} else {
		n, err = c.Conn.Read(p[:min(len(p), c.left)])
		c.left -= n
	}
	if len(c.first) < 64 {
		c.first = append(c.first, p[:n]...)
	}
	return n, err
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// prf is P_SHA256 of RFC 5246 section 5.
func prf(secret, seed []byte, n int) []byte {
	sum := func(p ...[]byte) []byte {
		h := hmac.New(sha256.New, secret)
		for _, p := range p {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

// use begins with a secret of TLS 1.3 (RFC 8446 section 7.3).
func (h *tlsHalf) use(p *tlsPeer, secret []byte, size int) {
	h.secret, h.seq = secret, 0
	h.aead, h.iv = gcm(p.expand(secret, "key", size)), p.expand(secret, "iv", 12)
}

// update goes on with the next secret (RFC 8446 section 7.2).
func (h *tlsHalf) update(p *tlsPeer) {
	size := 16
	if len(h.secret) == 48 {
		size = 32
	}
	h.use(p, p.expand(h.secret, "traffic upd", len(h.secret)), size)
}

func (p *tlsPeer) expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	info = append(append(info, label...), 0)
	out, err := hkdf.Expand(p.hash, secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return out
}

// nonce returns the nonce of the next record: of TLS 1.3, or with the explicit
// part in front where that is to be sent.
func (h *tlsHalf) nonce() (explicit, nonce []byte) {
	seq := binary.BigEndian.AppendUint64(nil, h.seq)
	if h.secret == nil {
		return seq, append(bytes.Clone(h.iv), seq...)
	}
	nonce = bytes.Clone(h.iv)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	return nil, nonce
}

// record returns one record.
func (p *tlsPeer) record(typ byte, data []byte) []byte {
	h := &p.out
	explicit, nonce := h.nonce()
	var head, rec []byte
	if p.version == tls.VersionTLS13 {
		data = append(bytes.Clone(data), typ)
		head = []byte{tlsData, 3, 3, 0, 0}
		binary.BigEndian.PutUint16(head[3:], uint16(len(data)+h.aead.Overhead()))
		rec = h.aead.Seal(bytes.Clone(head), nonce, data, head)
	} else {
		head = []byte{typ, 3, 3, 0, 0}
		binary.BigEndian.PutUint16(head[3:], uint16(len(explicit)+len(data)+h.aead.Overhead()))
		rec = h.aead.Seal(append(head, explicit...), nonce, data, p.additional(h.seq, typ, len(data)))
	}
	h.seq++
	return rec
}

func (p *tlsPeer) additional(seq uint64, typ byte, n int) []byte {
	return binary.BigEndian.AppendUint16(append(binary.BigEndian.AppendUint64(nil, seq), typ, 3, 3), uint16(n))
}

// keyUpdate returns a KeyUpdate, in records of n bytes of it.
func (p *tlsPeer) keyUpdate(requested bool, n int) []byte {
	msg := []byte{tlsKeyUpdate, 0, 0, 1, 0}
	if requested {
		msg[4] = 1
	}
	var out []byte
	for len(msg) > 0 {
		k := min(n, len(msg))
		out = append(out, p.record(tlsHandshake, msg[:k])...)
		msg = msg[k:]
	}
	p.out.update(p)
	return out
}

// read returns the next record of r, and follows a KeyUpdate.
func (p *tlsPeer) read(r io.Reader) (typ byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	rec := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(r, rec); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	h := &p.in
	explicit, nonce := h.nonce()
	typ = head[0]
	if p.version == tls.VersionTLS13 {
		data, err = h.aead.Open(nil, nonce, rec, head[:])
		if err == nil {
			data = bytes.TrimRight(data, "\x00")
			typ, data = data[len(data)-1], data[:len(data)-1]
		}
	} else {
		n := len(rec) - len(explicit) - h.aead.Overhead()
		copy(nonce[4:], rec)
		data, err = h.aead.Open(nil, nonce, rec[len(explicit):], p.additional(h.seq, typ, n))
	}
	h.seq++
	if err == nil && typ == tlsHandshake && data[0] == tlsKeyUpdate {
		h.update(p)
	}
	return typ, data, err
}
