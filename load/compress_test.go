package load_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/load"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// serveCompressed starts a server that compresses.
func serveCompressed(t testing.TB, o deflate.Options, f func(context.Context, *ws.Conn) error) string {
	t.Helper()
	s := httptest.NewServer(ws.HTTPHandler(f, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{MaxMessage: load.MaxSize, Compression: &o}}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/"
}

// echoing is echo, and calls each for every message.
func echoing(each func()) func(context.Context, *ws.Conn) error {
	return func(ctx context.Context, c *ws.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := c.Write(ctx, m.Type, m.Data); err != nil {
				return err
			}
			each()
		}
		return nil
	}
}

func TestCompressed(t *testing.T) {
	mixed := load.Sizes{{0, 1}, {10, 2}, {300, 4}, {40_000, 1}}
	for name, p := range map[string]load.Plan{
		"one":       {},
		"pipelined": {Connections: 5, Depth: 64},
		"text":      {Connections: 4, Text: true, Sizes: load.Sizes{{1024, 1}}},
		"sizes":     {Connections: 4, Depth: 8, Sizes: mixed},
		"empty":     {Sizes: load.Sizes{{0, 1}}},
		"tiny":      {Depth: 16, Sizes: load.Sizes{{1, 1}, {0, 3}}},
		"large":     {Connections: 2, Depth: 2, Sizes: load.Sizes{{40_000, 1}}},
		"open":      {Connections: 8, Rate: 2000},
		"fanout":    {Scenario: load.Fanout, Connections: 6, Depth: 8, Sizes: load.Sizes{{700, 1}}},
	} {
		for _, c := range []load.Compression{load.NoTakeover, load.Takeover} {
			for _, threshold := range []int{-1, 100} {
				if threshold > 0 && len(p.Sizes) < 2 {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/from %d", name, c, threshold), func(t *testing.T) {
					ctx, stop := context.WithCancel(context.Background())
					var n atomic.Int64
					enough := int64(400) // several windows of the shortest, and more than are in flight
					if name == "large" || name == "fanout" {
						enough = 150
					}
					each := func() {
						if n.Add(1) == enough {
							stop()
						}
					}
					f := echoing(each)
					if p.Scenario == load.Fanout {
						f = newBroadcast(func(*ws.Conn, map[*ws.Conn]bool) { each() })
					}
					p.Compression, p.Duration, p.Timeout = c, time.Minute, time.Minute
					p.URL = serveCompressed(t, deflate.Options{Threshold: threshold, History: 32 << 10}, f)
					r, err := load.Run(ctx, p)
					if err != nil {
						t.Fatal(err)
					}
					if len(r.Errors) > 0 || r.Received == 0 {
						t.Errorf("%d received, errors %v", r.Received, r.Errors)
					}
					if r.Compression != c || r.SentCompressed.Messages != r.Sent {
						t.Errorf("%s: %d messages went, %d compressed", r.Compression, r.Sent, r.SentCompressed.Messages)
					}
					switch got := r.ReceivedCompressed.Messages; {
					case threshold < 0 && got != r.Received:
						t.Errorf("%d came, %d compressed", r.Received, got)
					case threshold > 0 && name == "sizes" && (got == 0 || got >= r.Received):
						t.Errorf("%d came, %d compressed, with small ones among them", r.Received, got)
					}
					if got := r.ReceivedCompressed; len(p.Sizes) == 1 && got.Plain != got.Messages*int64(p.Sizes[0].Bytes) {
						t.Errorf("%+v of %d bytes each", got, p.Sizes[0].Bytes)
					}
					sum := load.Volume{}
					for _, w := range r.Windows {
						sum.Messages += w.Compressed.Messages
						sum.Packed += w.Compressed.Packed
					}
					if sum.Messages != r.ReceivedCompressed.Messages || sum.Packed != r.ReceivedCompressed.Packed {
						t.Errorf("the windows add up to %+v, the run to %+v", sum, r.ReceivedCompressed)
					}
				})
			}
		}
	}
}

// The messages are as compressible as JSON is, and with takeover they gain by it, both ways.
func TestCompressionRatio(t *testing.T) {
	ratio := map[load.Compression]*load.Report{}
	for _, c := range []load.Compression{load.NoTakeover, load.Takeover} {
		ctx, stop := context.WithCancel(context.Background())
		n := 0
		url := serveCompressed(t, deflate.Options{Level: 6, History: 32 << 10}, echoing(func() {
			if n++; n == 1500 { // many rounds
				stop()
			}
		}))
		r, err := load.Run(ctx, load.Plan{URL: url, Compression: c, Depth: 8, Sizes: load.Sizes{{300, 1}}, Duration: time.Minute})
		if err != nil || r.Received < 1400 {
			t.Fatal(err, r)
		}
		ratio[c] = r
	}
	alone, after := ratio[load.NoTakeover], ratio[load.Takeover]
	if s := alone.SentCompressed.Ratio(); s < 0.4 || s > 0.8 {
		t.Errorf("alone, messages go at %.2f", s)
	}
	// A message that found itself in the round before would shrink to a few bytes.
	if s := after.SentCompressed.Ratio(); s < 0.2 || s > 0.75*alone.SentCompressed.Ratio() {
		t.Errorf("with takeover, messages go at %.2f, alone at %.2f", s, alone.SentCompressed.Ratio())
	}
	if s := after.ReceivedCompressed.Ratio(); s < 0.2 || s > 0.75*alone.ReceivedCompressed.Ratio() {
		t.Errorf("with takeover, messages come at %.2f, alone at %.2f", s, alone.ReceivedCompressed.Ratio())
	}
}

// What connections send, read by an inflater of another make.
func TestWhatGoesOut(t *testing.T) {
	sizes := load.Sizes{{1000, 3}, {40, 1}}
	for _, c := range []load.Compression{load.NoTakeover, load.Takeover} {
		ended := make(chan []string, 3)
		url := rawExtended(t, "Sec-WebSocket-Extensions: "+map[load.Compression]string{
			load.NoTakeover: "permessage-deflate; server_no_context_takeover\r\n",
			load.Takeover:   "permessage-deflate\r\n",
		}[c], func(conn net.Conn, br *bufio.Reader) {
			var mine []string
			defer func() { ended <- mine }()
			var context []byte
			for len(mine) < 400 {
				first, p, err := readFrame(br)
				if err != nil || first != 0xc2 {
					t.Errorf("%x, %v", first, err)
					return
				}
				plain, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(append(p, "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)), context))
				if err != nil {
					t.Errorf("message %d: %v", len(mine), err)
					return
				}
				mine = append(mine, string(plain))
				if c == load.Takeover {
					context = append(context, plain...)
				}
				conn.Write(frame(0x82, plain))
			}
		})
		run(t, load.Plan{URL: url, Connections: 3, Sizes: sizes, Compression: c, Duration: time.Minute})
		all := [][]string{<-ended, <-ended, <-ended}
		short, seen := 0, map[string]bool{}
		for _, m := range all[0] {
			seen[m] = true
			if len(m) == 40 {
				short++
			}
		}
		if round := len(seen); round < 40 || round > 200 || all[0][0] != all[0][round] || short < 90 || short > 110 {
			t.Errorf("%s: %d different messages, %d of 400 short", c, len(seen), short)
		}
		if all[0][0] == all[1][0] || all[0][0] == all[2][0] {
			t.Errorf("%s: connections begin with the same message", c)
		}
		if m := all[0][0]; !strings.Contains(strings.Join(all[0], ""), `,"user":"`) {
			t.Errorf("a message is %q", m)
		}
	}
}

// frame is a server's frame.
func frame(first byte, p []byte) []byte {
	if len(p) < 126 {
		return append([]byte{first, byte(len(p))}, p...)
	}
	return append([]byte{first, 126, byte(len(p) >> 8), byte(len(p))}, p...)
}

// packer compresses with a context.
type packer struct {
	out bytes.Buffer
	w   *flate.Writer
}

func newPacker() *packer {
	p := &packer{}
	p.w, _ = flate.NewWriter(&p.out, 9)
	return p
}

func (p *packer) pack(m []byte) []byte {
	p.out.Reset()
	p.w.Write(m)
	p.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(p.out.Bytes(), []byte("\x00\x00\xff\xff")))
}

// answering serves compressed messages, with what answer makes of each.
func answering(t *testing.T, extension string, answer func(z *packer, n int, m []byte) []byte) string {
	return rawExtended(t, "Sec-WebSocket-Extensions: "+extension+"\r\n", func(c net.Conn, br *bufio.Reader) {
		z := newPacker()
		var context []byte
		for n := 0; ; n++ {
			first, p, err := readFrame(br)
			if err != nil {
				return
			}
			if first&15 == 8 {
				c.Write([]byte{0x88, 2, 3, 232})
				return
			}
			if first&15 == 10 {
				n--
				continue
			}
			if strings.Contains(extension, "no_context") {
				context = nil
				z.out.Reset()
				z.w.Reset(&z.out)
			}
			m, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(append(p, "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...)), context))
			if err != nil {
				t.Error(err)
				return
			}
			context = append(context, m...)
			context = context[max(0, len(context)-32<<10):]
			if _, err := c.Write(answer(z, n, m)); err != nil {
				return
			}
		}
	})
}

// Whatever a server may do is no error.
func TestLegalCompression(t *testing.T) {
	const both, alone = "permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for name, tc := range map[string]struct {
		extension string
		answer    func(z *packer, n int, m []byte) []byte
	}{
		"uncompressed":             {both, func(z *packer, n int, m []byte) []byte { return frame(0x82, m) }},
		"a window":                 {both + `; server_max_window_bits="12"`, func(z *packer, n int, m []byte) []byte { return frame(0xc2, z.pack(m)) }},
		"uncompressed, no context": {alone, func(z *packer, n int, m []byte) []byte { return frame(0x82, m) }},
		// What goes uncompressed is not in the context.
		"every third uncompressed": {both, func(z *packer, n int, m []byte) []byte {
			if n%3 == 1 {
				return frame(0x82, m)
			}
			return frame(0xc2, z.pack(m))
		}},
		"uncompressed after a while": {both, func(z *packer, n int, m []byte) []byte {
			if n > 100 && n%50 == 0 {
				return frame(0x82, m)
			}
			return frame(0xc2, z.pack(m))
		}},
		"fragments": {both, func(z *packer, n int, m []byte) []byte {
			p := z.pack(m)
			b := frame(0x42, p[:n%len(p)])
			b = append(b, frame(0x89, []byte("ping"))...)
			b = append(b, frame(0x00, nil)...)
			return append(b, frame(0x80, p[n%len(p):])...)
		}},
		// RFC 7692 §7.2.3.4: a block that says that it is the last one.
		"last blocks": {alone, func(z *packer, n int, m []byte) []byte {
			z.w.Write(m[20:])
			z.w.Close()
			p := append(stored(m[:10], true), stored(m[10:20], true)...)
			return frame(0xc2, append(append(p, z.out.Bytes()...), 0))
		}},
		"last block with a context": {both, func(z *packer, n int, m []byte) []byte {
			p := stored(nil, true)
			return frame(0xc2, append(p, z.pack(m)...))
		}},
		"stored blocks": {alone, func(z *packer, n int, m []byte) []byte { return frame(0xc2, append(stored(m, false), 0)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load.Takeover
			if tc.extension == alone {
				c = load.NoTakeover
			}
			ctx, stop := context.WithCancel(context.Background())
			url := answering(t, tc.extension, func(z *packer, n int, m []byte) []byte {
				if n == 250 {
					stop()
				}
				return tc.answer(z, n, m)
			})
			r, err := load.Run(ctx, load.Plan{URL: url, Sizes: load.Sizes{{500, 1}}, Compression: c, Connections: 2, Duration: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Errors) > 0 || r.Received < 250 {
				t.Errorf("%d received, errors %v", r.Received, r.Errors)
			}
			if got := r.ReceivedCompressed.Messages; strings.HasPrefix(name, "uncompressed, ") && got != 0 || strings.HasPrefix(name, "every third") && (got < r.Received/2 || got >= r.Received) {
				t.Errorf("%d of %d came compressed", got, r.Received)
			}
		})
	}
}

// stored is a block without compression.
func stored(m []byte, last bool) []byte {
	b := []byte{0, byte(len(m)), byte(len(m) >> 8), ^byte(len(m)), ^byte(len(m) >> 8)}
	if last {
		b[0] = 1
	}
	return append(b, m...)
}

// What a server does wrong is told.
func TestWrongCompression(t *testing.T) {
	const extension = "permessage-deflate"
	whole := func(f func(z *packer, m []byte) []byte) func(z *packer, n int, m []byte) []byte {
		return func(z *packer, n int, m []byte) []byte {
			if n < 100 {
				return frame(0xc2, z.pack(m)) // so far, so good
			}
			return frame(0xc2, f(z, m))
		}
	}
	for want, answer := range map[string]func(z *packer, n int, m []byte) []byte{
		"came back changed": whole(func(z *packer, m []byte) []byte {
			m[499] ^= 1
			return z.pack(m)
		}),
		"or in the wrong order": whole(func(z *packer, m []byte) []byte {
			z.pack(m) // it is in the context, and never went
			return z.pack(m)
		}),
		"cut short":        whole(func(z *packer, m []byte) []byte { return z.pack(m[:499]) }),
		"inflates to more": whole(func(z *packer, m []byte) []byte { return z.pack(append(m, 'x')) }),
		"to more than was": whole(func(z *packer, m []byte) []byte { return z.pack(append(m, make([]byte, 1<<20)...)) }), // a bomb of 1 KiB
		"no valid deflate": whole(func(z *packer, m []byte) []byte { return []byte{0xff, 0xff} }),
		"is no valid": func(z *packer, n int, m []byte) []byte {
			return frame(0xc2, []byte{2, 2, 0}) // it refers to what was before the first message
		},
		"larger than any": whole(func(z *packer, m []byte) []byte { return bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 260) }),
		"than any": func(z *packer, n int, m []byte) []byte {
			return append([]byte{0xc2, 127, 0x7f, 1, 1, 1, 1, 1, 1, 1}, make([]byte, 1300)...)
		},
		"sent opcode 1":      func(z *packer, n int, m []byte) []byte { return frame(0xc1, z.pack(m)) },
		"set RSV1":           func(z *packer, n int, m []byte) []byte { return frame(0xc9, nil) },
		"there can be none":  func(z *packer, n int, m []byte) []byte { return append(frame(0x42, z.pack(m)), frame(0xc0, nil)...) },
		"reserved bit, or u": func(z *packer, n int, m []byte) []byte { return frame(0xe2, z.pack(m)) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := run(t, load.Plan{URL: answering(t, extension, answer), Sizes: load.Sizes{{500, 1}}, Compression: load.Takeover, Connections: 3, Duration: 20 * time.Second})
			n := int64(0)
			for why, k := range r.Errors {
				if strings.Contains(why, want) {
					n += k
				}
			}
			if n != 3 {
				t.Errorf("errors %v", r.Errors)
			}
		})
	}
}

// A server that compresses alone although messages refer to earlier ones is read by what was agreed on.
func TestContextIsKept(t *testing.T) {
	const alone = "permessage-deflate; server_no_context_takeover"
	z := newPacker() // of all connections and messages, against what was agreed on
	url := answering(t, alone, func(_ *packer, n int, m []byte) []byte { return frame(0xc2, z.pack(m)) })
	r := run(t, load.Plan{URL: url, Sizes: load.Sizes{{500, 1}}, Compression: load.NoTakeover, Duration: 20 * time.Second})
	if r.Errors["a compressed message is no valid deflate stream"] != 1 {
		t.Errorf("errors %v", r.Errors)
	}
}

// What has come back right on one connection is right on another one only in the same context.
func TestSameBytesInAnotherContext(t *testing.T) {
	var mu sync.Mutex
	var first *packer
	recorded := map[string][]byte{}
	enough := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	url := answering(t, "permessage-deflate", func(z *packer, n int, m []byte) []byte {
		mu.Lock()
		if first == nil {
			first = z
		}
		leads := first == z
		mu.Unlock()
		if !leads && n == 3 {
			<-enough
			stop() // what is under way is waited for
			return frame(0xc2, recorded[string(m)])
		}
		packed := z.pack(m)
		if leads && n >= 100 && n <= 200 { // its window is full, and this is more than a round
			recorded[string(m)] = packed
			if n == 200 {
				close(enough)
			}
		}
		return frame(0xc2, packed)
	})
	r, err := load.Run(ctx, load.Plan{URL: url, Sizes: load.Sizes{{500, 1}}, Compression: load.Takeover, Connections: 2, Duration: 10 * time.Minute, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if r.Errors["a compressed message is no valid deflate stream"] != 1 || len(r.Errors) != 1 {
		t.Errorf("errors %v", r.Errors)
	}
}
