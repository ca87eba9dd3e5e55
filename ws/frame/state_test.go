package frame_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// fin and more make the headers of client frames.
func fin(op frame.Opcode) frame.Header  { return frame.Header{Fin: true, Opcode: op, Masked: true} }
func more(op frame.Opcode) frame.Header { return frame.Header{Opcode: op, Masked: true} }

func with(h frame.Header, f func(*frame.Header)) frame.Header {
	f(&h)
	return h
}

func TestCheck(t *testing.T) {
	rsv := func(bits byte) func(*frame.Header) { return func(h *frame.Header) { h.RSV = bits } }
	long := func(n int64) func(*frame.Header) { return func(h *frame.Header) { h.Length = n } }
	bare := func(h *frame.Header) { h.Masked = false }
	client, deflate := frame.State{Role: frame.Client}, frame.State{RSV: frame.RSV1}

	for _, tc := range []struct {
		section string
		name    string
		start   frame.State
		headers []frame.Header
		want    error // of the last one
	}{
		{"5.1", "masked to a server", frame.State{}, []frame.Header{fin(frame.Text)}, nil},
		{"5.1", "unmasked to a server", frame.State{}, []frame.Header{with(fin(frame.Text), bare)}, frame.ErrUnmasked},
		{"5.1", "unmasked and empty to a server", frame.State{}, []frame.Header{with(fin(frame.Ping), bare)}, frame.ErrUnmasked},
		{"5.1", "unmasked continuation to a server", frame.State{}, []frame.Header{more(frame.Text), with(fin(frame.Continuation), bare)}, frame.ErrUnmasked},
		{"5.1", "unmasked to a client", client, []frame.Header{with(fin(frame.Text), bare)}, nil},
		{"5.1", "masked to a client", client, []frame.Header{fin(frame.Text)}, frame.ErrMasked},
		{"5.1", "masked close to a client", client, []frame.Header{fin(frame.Close)}, frame.ErrMasked},

		{"5.2", "RSV1 without an extension", frame.State{}, []frame.Header{with(fin(frame.Text), rsv(frame.RSV1))}, frame.ErrReservedBits},
		{"5.2", "RSV2 without an extension", frame.State{}, []frame.Header{with(fin(frame.Text), rsv(frame.RSV2))}, frame.ErrReservedBits},
		{"5.2", "RSV3 without an extension", frame.State{}, []frame.Header{with(fin(frame.Binary), rsv(frame.RSV3))}, frame.ErrReservedBits},
		{"5.2", "RSV1 with an extension", deflate, []frame.Header{with(fin(frame.Text), rsv(frame.RSV1))}, nil},
		{"5.2", "RSV1 and RSV2 with an extension for one", deflate, []frame.Header{with(fin(frame.Text), rsv(frame.RSV1|frame.RSV2))}, frame.ErrReservedBits},
		{"5.2", "no bit with an extension", deflate, []frame.Header{fin(frame.Text)}, nil},
		{"7692 6.1", "RSV1 on the first fragment", deflate, []frame.Header{with(more(frame.Text), rsv(frame.RSV1)), fin(frame.Continuation)}, nil},
		{"7692 6.1", "RSV1 on a continuation", deflate, []frame.Header{more(frame.Text), with(fin(frame.Continuation), rsv(frame.RSV1))}, frame.ErrReservedBits},
		{"7692 6.1", "RSV1 on a ping", deflate, []frame.Header{with(fin(frame.Ping), rsv(frame.RSV1))}, frame.ErrReservedBits},
		{"7692 6.1", "RSV1 on an empty close", deflate, []frame.Header{with(fin(frame.Close), rsv(frame.RSV1))}, frame.ErrReservedBits},

		{"5.4", "two fragments", frame.State{}, []frame.Header{more(frame.Text), fin(frame.Continuation)}, nil},
		{"5.4", "four fragments", frame.State{}, []frame.Header{more(frame.Binary), more(frame.Continuation), more(frame.Continuation), fin(frame.Continuation)}, nil},
		{"5.4", "control frames in between", frame.State{}, []frame.Header{more(frame.Text), fin(frame.Ping), fin(frame.Pong), fin(frame.Close), fin(frame.Continuation)}, nil},
		{"5.4", "a message after a fragmented one", frame.State{}, []frame.Header{more(frame.Text), fin(frame.Continuation), fin(frame.Binary)}, nil},
		{"5.4", "continuation first", frame.State{}, []frame.Header{fin(frame.Continuation)}, frame.ErrContinuation},
		{"5.4", "unfinished continuation first", frame.State{}, []frame.Header{more(frame.Continuation)}, frame.ErrContinuation},
		{"5.4", "continuation after a whole message", frame.State{}, []frame.Header{fin(frame.Text), fin(frame.Continuation)}, frame.ErrContinuation},
		{"5.4", "continuation after the last fragment", frame.State{}, []frame.Header{more(frame.Text), fin(frame.Continuation), fin(frame.Continuation)}, frame.ErrContinuation},
		{"5.4", "continuation after a ping", frame.State{}, []frame.Header{fin(frame.Ping), fin(frame.Continuation)}, frame.ErrContinuation},
		{"5.4", "text inside text", frame.State{}, []frame.Header{more(frame.Text), fin(frame.Text)}, frame.ErrInterleaved},
		{"5.4", "binary inside text", frame.State{}, []frame.Header{more(frame.Text), more(frame.Continuation), more(frame.Binary)}, frame.ErrInterleaved},

		{"5.5", "125 bytes", frame.State{}, []frame.Header{with(fin(frame.Ping), long(125))}, nil},
		{"5.5", "126 bytes", frame.State{}, []frame.Header{with(fin(frame.Ping), long(126))}, frame.ErrControlTooLong},
		{"5.5", "close of 126 bytes", frame.State{}, []frame.Header{with(fin(frame.Close), long(126))}, frame.ErrControlTooLong},
		{"5.5", "pong of 4 GiB", frame.State{}, []frame.Header{with(fin(frame.Pong), long(1<<32))}, frame.ErrControlTooLong},
		{"5.5", "fragmented ping", frame.State{}, []frame.Header{more(frame.Ping)}, frame.ErrControlFragmented},
		{"5.5", "fragmented pong in a message", frame.State{}, []frame.Header{more(frame.Text), more(frame.Pong)}, frame.ErrControlFragmented},
		{"5.5", "fragmented close", frame.State{}, []frame.Header{more(frame.Close)}, frame.ErrControlFragmented},
		{"5.6", "a message of 126 bytes", frame.State{}, []frame.Header{with(fin(frame.Text), long(126))}, nil},
		{"5.6", "a message of 4 GiB", frame.State{}, []frame.Header{with(fin(frame.Binary), long(1<<32))}, nil},

		{"5.2", "opcode 3", frame.State{}, []frame.Header{fin(3)}, frame.ErrReservedOpcode},
		{"5.2", "opcode 7", frame.State{}, []frame.Header{more(frame.Text), more(7)}, frame.ErrReservedOpcode},
		{"5.2", "opcode 11", frame.State{}, []frame.Header{fin(11)}, frame.ErrReservedOpcode},
		{"5.2", "opcode 15", frame.State{}, []frame.Header{more(frame.Text), fin(15)}, frame.ErrReservedOpcode},
	} {
		name := "section " + tc.section + ": " + tc.name
		s, next := tc.start, tc.start
		for i, h := range tc.headers {
			want := error(nil)
			if i == len(tc.headers)-1 {
				want = tc.want
			}
			before := s
			if err := s.Check(h); err != want {
				t.Errorf("%s: Check of frame %d gives %v, want %v", name, i+1, err, want)
			}
			if (want != nil || h.Opcode.IsControl()) && s != before {
				t.Errorf("%s: frame %d changes the state", name, i+1)
			}
			var got frame.Header
			wire := frame.AppendHeader(nil, h)
			n, err := next.Next(&got, wire)
			if err != want || next != s {
				t.Errorf("%s: Next of frame %d gives %v, want %v; InMessage %v", name, i+1, err, want, next.InMessage())
			} else if err == nil && (n != len(wire) || got != h) {
				t.Errorf("%s: Next of frame %d gives %+v, %d", name, i+1, got, n)
			}
		}
	}
}

func TestInMessage(t *testing.T) {
	var s frame.State
	for i, tc := range []struct {
		h    frame.Header
		want bool
	}{
		{fin(frame.Text), false}, {more(frame.Text), true}, {fin(frame.Ping), true}, {more(frame.Continuation), true},
		{fin(frame.Continuation), false}, {more(frame.Binary), true}, {fin(frame.Continuation), false},
	} {
		if err := s.Check(tc.h); err != nil || s.InMessage() != tc.want {
			t.Errorf("after frame %d: InMessage %v, error %v", i+1, s.InMessage(), err)
		}
	}
}

// faults names what RFC 6455 has against the first two bytes of a header, in
// another form than State does.
func faults(role frame.Role, open bool, allowed byte, b0, b1 byte) map[error]bool {
	known := map[byte]bool{0: true, 1: true, 2: true, 8: true, 9: true, 10: true}
	op, rsv, control := b0&15, b0>>4&7, b0&8 == 8
	bad := map[error]bool{
		frame.ErrReservedOpcode:    !known[op],
		frame.ErrReservedBits:      rsv != 0 && (op != 1 && op != 2 || rsv&allowed != rsv),
		frame.ErrControlFragmented: control && b0 < 128,
		frame.ErrControlTooLong:    control && b1&127 >= 126,
		frame.ErrUnmasked:          role == frame.Server && b1 < 128,
		frame.ErrMasked:            role == frame.Client && b1 >= 128,
		frame.ErrContinuation:      !open && op == 0,
		frame.ErrInterleaved:       open && (op == 1 || op == 2),
	}
	for err, is := range bad {
		if !is {
			delete(bad, err)
		}
	}
	return bad
}

// TestCheckAll tries every first pair of bytes in every state.
func TestCheckAll(t *testing.T) {
	for _, role := range []frame.Role{frame.Server, frame.Client} {
		for _, open := range []bool{false, true} {
			for _, allowed := range []byte{0, frame.RSV1, frame.RSV1 | frame.RSV3} {
				start := frame.State{Role: role, RSV: allowed}
				if open {
					if err := start.Check(frame.Header{Opcode: frame.Text, Masked: role == frame.Server}); err != nil {
						t.Fatal(err)
					}
				}
				for pair := range 1 << 16 {
					checkPair(t, start, open, byte(pair>>8), byte(pair))
				}
				if t.Failed() {
					return
				}
			}
		}
	}
}

func checkPair(t *testing.T, start frame.State, open bool, b0, b1 byte) {
	// The longest length of each form.
	wire := []byte{b0, b1, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}
	h, size, err := frame.ParseHeader(wire)
	if size == 0 {
		t.Fatalf("%x: ParseHeader gives %v", wire, err)
	}
	bad := faults(start.Role, open, start.RSV, b0, b1)
	s := start
	err = s.Check(h)
	if err == nil && len(bad) > 0 || err != nil && !bad[err] {
		t.Errorf("%+v: Check(%+v) gives %v, want one of %v", start, h, err, bad)
	}
	want := open
	if err == nil && !h.Opcode.IsControl() {
		want = !h.Fin
	}
	if s.InMessage() != want {
		t.Errorf("%+v: after Check(%+v) InMessage gives %v", start, h, s.InMessage())
	}

	// Two bytes tell all that Check looks at.
	if got := start.CheckPartial(wire[:2]); got != err {
		t.Errorf("%+v: CheckPartial(%x) gives %v, Check %v", start, wire[:2], got, err)
	}
	if got := start.CheckPartial(wire); got != err {
		t.Errorf("%+v: CheckPartial(%x) gives %v, Check %v", start, wire, got, err)
	}
	first := start.CheckPartial(wire[:1])
	if first != nil && first != err {
		t.Errorf("%+v: CheckPartial(%x) gives %v, Check %v", start, wire[:1], first, err)
	}
	if first == nil {
		mendable := false
		for second := range 256 {
			mendable = mendable || start.CheckPartial([]byte{b0, byte(second)}) == nil
		}
		if !mendable {
			t.Errorf("%+v: %x is not refused, but no second byte can mend it", start, b0)
		}
	}

	for _, n := range []int{0, 1, 2, size - 1, size, len(wire)} {
		next := start
		var got frame.Header
		k, nerr := next.Next(&got, wire[:n])
		partial := start.CheckPartial(wire[:n])
		switch {
		case nerr != partial:
			t.Errorf("%+v: Next(%x) gives %v, CheckPartial %v", start, wire[:n], nerr, partial)
		case nerr != nil || n < size:
			if k != 0 || next != start {
				t.Errorf("%+v: Next(%x) gives %d, %v and state %+v", start, wire[:n], k, nerr, next)
			}
		case k != size || got != h || next != s:
			t.Errorf("%+v: Next(%x) gives %+v, %d and state %+v", start, wire[:n], got, k, next)
		}
	}
}

// TestNextLength sees that Next refuses lengths as ParseHeader does, behind what
// the bytes before them show.
func TestNextLength(t *testing.T) {
	for wire, want := range map[string]error{
		"\x82\xfe\x00\x7d":                 frame.ErrNonMinimalLength,
		"\x82\xff\x00\x00\x00\x00\x00\x00": frame.ErrNonMinimalLength,
		"\x82\xff\x80":                     frame.ErrLengthOverflow,
		"\x82\x7e\x00\x7d":                 frame.ErrUnmasked,
		"\x89\xfe\x00\x7d":                 frame.ErrControlTooLong,
		"\x83\xff\x80":                     frame.ErrReservedOpcode,
	} {
		var s frame.State
		var h frame.Header
		if n, err := s.Next(&h, []byte(wire)); n != 0 || !errors.Is(err, want) || s != (frame.State{}) {
			t.Errorf("Next(%x) gives %d, %v; want %v", wire, n, err, want)
		}
	}
}

// TestNextReuse sees that a Header that is used again keeps nothing.
func TestNextReuse(t *testing.T) {
	s := frame.State{Role: frame.Client}
	h := frame.Header{Fin: true, RSV: 7, Opcode: 15, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 1 << 40}
	if n, err := s.Next(&h, []byte{0x01, 0x03}); n != 2 || err != nil || h != (frame.Header{Opcode: frame.Text, Length: 3}) {
		t.Errorf("Next gives %+v, %d, %v", h, n, err)
	}
}

func TestStateAllocations(t *testing.T) {
	wire := []byte(headers[1].wire)
	bad := []byte{0x83}
	var s frame.State
	var h frame.Header
	if n := testing.AllocsPerRun(100, func() {
		if n, err := s.Next(&h, wire); n == 0 || err != nil || s.Check(h) != nil || s.CheckPartial(wire) != nil {
			t.Fatal("refused")
		}
		if _, err := s.Next(&h, bad); err == nil {
			t.Fatal("not refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRole(t *testing.T) {
	if frame.Server.String() != "server" || frame.Client.String() != "client" {
		t.Error("a role has a wrong name")
	}
	if (frame.State{}).Role != frame.Server {
		t.Error("the zero State is not a server's")
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte{0x81, 0x80, 0x01, 0x80, 0x89, 0x80, 0x80, 0x80}, byte(0), false)
	f.Add([]byte{0xc1, 0x00, 0x41, 0x00, 0x80, 0x00}, frame.RSV1, true)
	f.Add([]byte{0x83, 0x80, 0x01, 0x00, 0x02, 0x80, 0x0f, 0xff}, byte(7), false)
	f.Fuzz(func(t *testing.T, pairs []byte, allowed byte, client bool) {
		s := frame.State{RSV: allowed & 7}
		if client {
			s.Role = frame.Client
		}
		open := false
		for ; len(pairs) >= 2; pairs = pairs[2:] {
			b0, b1 := pairs[0], pairs[1]
			checkPair(t, s, open, b0, b1)
			h := frame.Header{Fin: b0&0x80 != 0, RSV: b0 >> 4 & 7, Opcode: frame.Opcode(b0 & 15), Masked: b1&0x80 != 0, Length: int64(b1 & 0x7f)}
			if s.Check(h) == nil && !h.Opcode.IsControl() {
				open = !h.Fin
			}
			if s.InMessage() != open {
				t.Fatalf("InMessage gives %v after %+v", s.InMessage(), h)
			}
		}
	})
}

// BenchmarkNext is a header's whole way: parsed and checked.
func BenchmarkNext(b *testing.B) {
	for _, n := range []int64{125, 1024, 65536} {
		wire := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: maskKey, Length: n})
		b.Run(fmt.Sprintf("length=%d/Next", n), func(b *testing.B) {
			b.ReportAllocs()
			var s frame.State
			var h frame.Header
			for b.Loop() {
				if n, err := s.Next(&h, wire); n == 0 || err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("length=%d/ParseHeader+Check", n), func(b *testing.B) {
			b.ReportAllocs()
			var s frame.State
			for b.Loop() {
				h, n, err := frame.ParseHeader(wire)
				if n == 0 || err != nil {
					b.Fatal(err)
				}
				if err := s.Check(h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestShort compares Short with Next over all first two bytes, roles and states.
func TestShort(t *testing.T) {
	for _, role := range []frame.Role{frame.Server, frame.Client} {
		for _, inside := range []bool{false, true} {
			for first := range 1 << 16 {
				b := append([]byte{byte(first >> 8), byte(first)}, make([]byte, 4+125)...)
				for _, cut := range []int{0, 1, 2, 5, 6, 6 + 124, 6 + 125} {
					s := frame.State{Role: role, RSV: frame.RSV1}
					if inside {
						if err := s.Check(frame.Header{Opcode: frame.Text, Masked: role == frame.Server}); err != nil {
							t.Fatal(err)
						}
					}
					before := s
					begin, end := s.Short(b[:cut])
					if s != before {
						t.Fatalf("%x changes the state", first)
					}
					var h frame.Header
					n, err := s.Next(&h, b[:cut])
					short := err == nil && n > 0 && h.Fin && h.RSV == 0 && !h.Opcode.IsControl() && !inside &&
						h.Length <= 125 && n+int(h.Length) <= cut
					if short != (end > 0) || short && (begin != n || end != n+int(h.Length) || s != before) {
						t.Fatalf("%v, inside %v: %d bytes of %04x: %d:%d, but Next gives %+v, %d, %v", role, inside, cut, first, begin, end, h, n, err)
					}
				}
			}
		}
	}
}
