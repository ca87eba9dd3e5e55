package conformance_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
	"unicode/utf8"
)

// A peer is a small, strict WebSocket endpoint that echoes, with a switch for each
// way in which it can be wrong. It shares nothing with the runner.
type peer struct {
	faults map[string]bool
	client bool
	c      net.Conn
	br     *bufio.Reader
	squash *squash // permessage-deflate, nil if it is off

	opcode  byte // of the message that is being received
	packed  bool
	message []byte
	count   int // fragments
	text    checker

	heldPong  []byte
	latePongs [][]byte
	key       uint32
	closed    bool // a close frame was sent
	saw       bool // a close frame was received
}

// asked holds every fault that a peer has looked up.
var asked sync.Map

// has tells whether the peer has a fault.
func (p *peer) has(fault string) bool {
	if _, seen := asked.Load(fault); !seen {
		asked.Store(fault, true)
	}
	return p.faults[fault]
}

// refusal is a reason to fail the connection.
type refusal struct{ code uint16 }

func (refusal) Error() string { return "refused" }

var errOver = errors.New("over")

// echo reads and answers until the connection ends, and closes it.
func (p *peer) echo() {
	defer p.c.Close()
	for {
		err := p.frame()
		if err == nil {
			continue
		}
		var r refusal
		switch {
		case errors.As(err, &r):
			if p.has("drops when it refuses") {
				return
			}
			if p.has("refuses with 1000") {
				r.code = 1000
			}
			if p.has("refuses text with 1002") && r.code == 1007 {
				r.code = 1002
			}
			p.write(0x88, binary.BigEndian.AppendUint16(nil, r.code))
			p.linger()
		case errors.Is(err, errOver):
			if p.has("keeps the stream open after closing") {
				io.Copy(io.Discard, p.br)
				time.Sleep(3 * time.Second) // the fault itself: a peer that does not let go
				return
			}
			p.linger()
		case p.has("ignores the end of the stream"):
			time.Sleep(3 * time.Second) // the fault itself
		}
		return
	}
}

// linger ends the sending direction and reads what is left, so that the
// last words arrive.
func (p *peer) linger() {
	if c, ok := p.c.(interface{ CloseWrite() error }); ok && !p.has("resets after its last words") {
		c.CloseWrite()
		p.c.SetReadDeadline(time.Now().Add(2 * time.Second))
		io.Copy(io.Discard, p.br)
	}
}

// frame reads one frame and answers it.
func (p *peer) frame() error {
	var h [8]byte
	if _, err := io.ReadFull(p.br, h[:2]); err != nil {
		return err
	}
	fin, rsv, op := h[0]&0x80 != 0, h[0]>>4&7, h[0]&15
	masked, n := h[1]&0x80 != 0, uint64(h[1]&0x7f)
	control := op >= 8
	if err := p.checkHeader(fin, rsv, op, masked, n); err != nil {
		return err
	}
	switch n {
	case 126:
		if _, err := io.ReadFull(p.br, h[:2]); err != nil {
			return err
		}
		if n = uint64(binary.BigEndian.Uint16(h[:2])); n < 126 && !p.has("takes long lengths") {
			return refusal{1002}
		}
	case 127:
		if _, err := io.ReadFull(p.br, h[:8]); err != nil {
			return err
		}
		n = binary.BigEndian.Uint64(h[:8])
		if p.has("clears the highest bit of a length") {
			n &^= 1 << 63
		}
		if n>>63 != 0 || n < 65536 && !p.has("takes long lengths") && !p.has("clears the highest bit of a length") {
			return refusal{1002}
		}
	}
	limit := uint64(32 << 20)
	if p.has("has a limit of 1 MiB") {
		limit = 1 << 20
	}
	if n+uint64(len(p.message)) > limit {
		return refusal{1009}
	}
	var key [4]byte
	if masked {
		if _, err := io.ReadFull(p.br, key[:]); err != nil {
			return err
		}
		if p.has("uses half of the mask key") {
			key[2], key[3] = key[0], key[1]
		}
	}
	if !control {
		return p.data(fin, rsv, op, int(n), key)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(p.br, payload); err != nil {
		return err
	}
	unmask(payload, key, 0)
	return p.control(op, payload)
}

func (p *peer) checkHeader(fin bool, rsv, op byte, masked bool, n uint64) error {
	control, known := op >= 8, op <= 2 || op >= 8 && op <= 10
	started := p.opcode != 0
	compressed := rsv == 4 && p.squash != nil && (op == 1 || op == 2)
	switch {
	case p.saw:
	case !known && control && p.has("takes reserved control opcodes"):
	case !known && !control && p.has("takes reserved data opcodes"):
	case !known:
		return refusal{1002}
	}
	if rsv != 0 && !compressed {
		ok := control && p.has("takes reserved bits on control frames") ||
			op == 8 && n == 0 && p.has("takes reserved bits on an empty close") ||
			op == 0 && p.has("takes reserved bits on continuations") ||
			op != 0 && !control && p.has("takes reserved bits on data frames") ||
			rsv == 4 && p.squash != nil && (op == 9 || op == 10) && p.has("takes RSV1 on compressed connections' pings")
		if !ok {
			return refusal{1002}
		}
	}
	if masked == p.client {
		if !p.has("takes the other role's masking") && !(n == 0 && p.has("takes the other role's masking of empty frames")) {
			return refusal{1002}
		}
	}
	if control {
		if !fin && !p.has("takes fragmented control frames") || n > 125 && !p.has("takes long control frames") && !p.has("takes long lengths") {
			return refusal{1002}
		}
		return nil
	}
	switch {
	case op == 0 && !started && !p.has("takes stray continuations"):
		return refusal{1002}
	case op != 0 && started && !p.has("takes nested messages"):
		return refusal{1002}
	}
	return nil
}

func unmask(b []byte, key [4]byte, pos int) {
	if key == [4]byte{} {
		return
	}
	for ; pos&3 != 0 && len(b) > 0; pos, b = pos+1, b[1:] {
		b[0] ^= key[pos&3]
	}
	word := binary.LittleEndian.Uint32(key[:])
	for ; len(b) >= 4; b = b[4:] {
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)^word)
	}
	for i := range b {
		b[i] ^= key[i]
	}
}

// data reads the payload of a data frame as it comes, so that bad text is refused at once.
func (p *peer) data(fin bool, rsv, op byte, n int, key [4]byte) error {
	if op != 0 {
		p.opcode, p.packed, p.message, p.count, p.text = op, rsv&4 != 0 && p.squash != nil, p.message[:0], 0, checker{}
		if op > 2 {
			p.opcode = 2
		}
	}
	if p.opcode == 0 { // a stray continuation that a fault lets pass
		_, err := p.br.Discard(n)
		return err
	}
	if p.count++; p.count > 1000 && p.has("allows 1000 fragments") {
		return refusal{1009}
	}
	if p.has("forgets all but the last fragment") {
		p.message = p.message[:0]
	}
	for pos := 0; pos < n; {
		if p.br.Buffered() == 0 {
			if _, err := p.br.Peek(1); err != nil {
				return err
			}
		}
		k := min(n-pos, p.br.Buffered())
		if p.has("restarts the mask with each read") {
			k = min(k, 997) // as if the segments had come one by one
		}
		at := len(p.message)
		p.message = append(p.message, make([]byte, k)...)
		if _, err := io.ReadFull(p.br, p.message[at:]); err != nil {
			return err
		}
		if p.has("restarts the mask with each read") {
			unmask(p.message[at:], key, 0)
		} else {
			unmask(p.message[at:], key, pos)
		}
		pos += k
		if p.opcode == 1 && !p.packed && !p.has("checks text at its end") {
			if !p.text.feed(p, p.message[at:]) {
				return refusal{1007}
			}
		}
	}
	if p.has("wants whole characters in each fragment") && p.opcode == 1 && len(p.text.tail) > 0 {
		return refusal{1007}
	}
	if !fin {
		return nil
	}
	op, m := p.opcode, p.message
	p.opcode = 0
	defer func() { p.message = nil }()
	if p.packed {
		var err error
		if m, err = p.squash.inflate(p, m); err != nil {
			return err
		}
	} else if p.squash != nil && p.has("keeps uncompressed messages in the window") {
		p.squash.remember(m)
	}
	if op == 1 && (p.packed || p.has("checks text at its end")) && !(p.packed && p.has("does not check compressed text")) {
		p.text = checker{}
		if !p.text.feed(p, m) {
			return refusal{1007}
		}
	}
	if op == 1 && len(p.text.tail) > 0 && !p.has("takes text that ends inside a character") {
		return refusal{1007}
	}
	return p.answer(op, m)
}

// answer echoes a message.
func (p *peer) answer(op byte, m []byte) error {
	if p.closed && !p.has("echoes after its close frame") || p.has("does not echo") {
		return nil
	}
	switch {
	case p.has("loses a byte of messages beyond 125") && len(m) > 125:
		m = m[:len(m)-1]
	case p.has("answers text with binary") && op == 1:
		op = 2
	case p.has("does not answer empty messages") && len(m) == 0:
		return nil
	case p.has("upper case") && len(m) > 0 && m[0] == 'H':
		m = append([]byte{'h'}, m[1:]...)
	}
	times := 1
	if p.has("echoes twice") {
		times = 2
	}
	for range times {
		if err := p.send(op, m); err != nil {
			return err
		}
	}
	for _, late := range p.latePongs {
		p.write(0x8a, late)
	}
	p.latePongs = nil
	return nil
}

// send writes a message, compressed if that was agreed on.
func (p *peer) send(op byte, m []byte) error {
	first := 0x80 | op
	if p.squash != nil {
		m = p.squash.deflate(p, m)
		if !p.has("compresses without RSV1") {
			first |= 0x40
		}
	}
	switch {
	case p.has("sets a reserved bit"):
		first |= 0x10
	case p.has("sends fragments that all have the opcode") && len(m) > 1:
		p.write(first&^0x80, m[:1])
		return p.write(first, m[1:])
	case p.has("sets RSV1 on continuations") && len(m) > 1 && first&0x40 != 0:
		p.write(first&^0x80, m[:1])
		return p.write(0xc0, m[1:])
	case p.has("never ends a message"):
		first &^= 0x80
	case p.has("uses a reserved opcode"):
		first |= 7
	}
	return p.write(first, m)
}

// write writes one frame.
func (p *peer) write(first byte, payload []byte) error {
	var mask byte
	if p.client != p.has("masks as the other role") {
		mask = 0x80
	}
	h := []byte{first}
	n := len(payload)
	switch {
	case n > 65535 || p.has("writes lengths in 64 bits"):
		h = binary.BigEndian.AppendUint64(append(h, mask|127), uint64(n))
	case n > 125 || p.has("writes lengths in 16 bits"):
		h = binary.BigEndian.AppendUint16(append(h, mask|126), uint16(n))
	default:
		h = append(h, mask|byte(n))
	}
	if mask != 0 {
		key := rand.Uint32()
		switch {
		case p.has("has one mask key"):
			key = 0x12345678
		case p.has("has mask key 0"):
			key = 0
		case p.has("counts its mask keys"):
			p.key++
			key = p.key
		case p.has("has mask keys of 16 bits"):
			key &= 0xffff
		}
		k := binary.BigEndian.AppendUint32(nil, key)
		h = append(h, k...)
		payload = append([]byte(nil), payload...)
		unmask(payload, [4]byte(k), 0)
	}
	_, err := p.c.Write(append(h, payload...))
	return err
}

// control answers a control frame.
func (p *peer) control(op byte, payload []byte) error {
	switch op {
	case 9:
		return p.pong(payload)
	case 10:
		if p.has("answers pongs") {
			return p.write(0x8a, payload)
		}
		if p.has("minds unasked pongs") {
			return refusal{1002}
		}
		return nil
	case 8:
		return p.close(payload)
	}
	return nil
}

func (p *peer) pong(payload []byte) error {
	if p.has("forgets a message upon a ping") {
		p.message = p.message[:0]
	}
	switch {
	case p.closed && !p.has("answers pings after its close frame"):
		return nil
	case p.has("does not answer pings"):
		return nil
	case p.has("answers pings without their payload"):
		payload = nil
	case p.has("answers long pings in part") && len(payload) > 64:
		payload = payload[:64]
	case p.has("answers pings that are not text in part") && !utf8.Valid(payload):
		payload = payload[:1]
	case p.has("answers pings twice"):
		p.write(0x8a, payload)
	case p.has("answers pings with pings"):
		return p.write(0x89, payload)
	case p.has("swaps pongs"):
		if p.heldPong == nil {
			p.heldPong = append([]byte{}, payload...)
			return nil
		}
		p.write(0x8a, payload)
		payload, p.heldPong = p.heldPong, nil
	case p.has("answers pings when the message has ended") && p.opcode != 0:
		p.latePongs = append(p.latePongs, payload)
		return nil
	case p.has("answers pings between fragments with the fragments") && p.opcode != 0:
		payload = append(append([]byte{}, p.message...), payload...)
	}
	return p.write(0x8a, payload)
}

// close judges and answers a close frame.
func (p *peer) close(payload []byte) error {
	if p.saw {
		return nil
	}
	code := uint16(0)
	if len(payload) == 1 && !p.has("takes close frames of one byte") {
		return refusal{1002}
	}
	if len(payload) >= 2 {
		code = binary.BigEndian.Uint16(payload)
		valid := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		switch {
		case p.has("takes reserved close codes") && code >= 1004 && code < 3000:
			valid, payload = true, []byte{3, 232}
		case p.has("takes close codes below 1000") && code < 1000:
			valid, payload = true, []byte{3, 232}
		case p.has("refuses close codes from 3000 on") && code >= 3000:
			valid = false
		case p.has("refuses registered close codes") && code >= 1012:
			valid = false
		}
		if !valid {
			return refusal{1002}
		}
		if !utf8.Valid(payload[2:]) && !p.has("takes reasons that are not UTF-8") {
			return refusal{1007}
		}
		payload = payload[:2]
	}
	p.saw = true
	switch {
	case p.has("does not answer close frames"):
		return errOver
	case p.has("answers close frames with 1005"):
		payload = []byte{3, 237}
	case p.has("answers close frames with 1011"):
		payload = []byte{3, 243}
	case p.has("answers close frames with one byte"):
		payload = []byte{3}
	case p.has("answers close frames twice"):
		p.write(0x88, payload)
	case p.has("answers close frames with a broken reason"):
		payload = []byte{3, 232, 0xff}
	case p.has("says a word after its close frame"):
		p.write(0x88, payload)
		return p.write(0x81, []byte("by the way"))
	}
	p.closed = true
	if err := p.write(0x88, payload); err != nil {
		return err
	}
	if p.has("echoes after its close frame") || p.has("answers pings after its close frame") {
		return nil
	}
	return errOver
}
