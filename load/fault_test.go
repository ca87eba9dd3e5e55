package load_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/load"
	"github.com/tidewire/tidewire/ws"
)

// raw serves connections whose handshake is done and whose frames are f's own.
func raw(t *testing.T, f func(c net.Conn, br *bufio.Reader)) string {
	t.Helper()
	return rawExtended(t, "", f)
}

// rawExtended is raw with lines more in the handshake's answer.
func rawExtended(t *testing.T, lines string, f func(c net.Conn, br *bufio.Reader)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer c.Close()
				br := bufio.NewReader(c)
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
					base64.StdEncoding.EncodeToString(sum[:]), lines)
				f(c, br)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		group.Wait()
	})
	return "ws://" + ln.Addr().String() + "/"
}

// What a server does wrong is told, and ends no run.
func TestWrongServers(t *testing.T) {
	say := func(p ...byte) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, br *bufio.Reader) {
			io.CopyN(io.Discard, br, 14) // a message of 8 bytes
			c.Write(p)
			io.Copy(io.Discard, br)
		}
	}
	hello := []byte("hello")
	for want, f := range map[string]func(net.Conn, *bufio.Reader){
		"masked a frame":           say(0x82, 0x81, 1, 2, 3, 4, 5),
		"set RSV1":                 say(0xc2, 0),
		"reserved bit, or":         say(0xa2, 0),
		"reserved opcode":          say(0x83, 0),
		"rules of fragments":       say(0x80, 0),
		"fragmented control frame": say(0x09, 0),
		"long or fragmented":       say(0x89, 126, 0, 126),
		"sent opcode 1":            say(0x81, 1, 'x'),
		"came back changed":        say(append([]byte{0x82, 5}, hello...)...),
		"cut short":                say(0x82, 0),
		"with 1011":                say(0x88, 2, 3, 243),
		"closed the stream":        func(c net.Conn, br *bufio.Reader) { io.CopyN(io.Discard, br, 14) },
		"nobody asked for": func(c net.Conn, br *bufio.Reader) {
			var h [14 + 8]byte
			io.ReadFull(br, h[:14]) // a message of 8 bytes
			p := make([]byte, 8)
			for i := range p {
				p[i] = h[6+i] ^ h[2+i&3]
			}
			answer := append([]byte{0x82, 8}, p...)
			c.Write(append(answer, answer...))
			io.Copy(io.Discard, br)
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			p := load.Plan{URL: raw(t, f), Connections: 3, Sizes: load.Sizes{{8, 1}}, Duration: 10 * time.Second}
			r := run(t, p)
			n := int64(0)
			for why, k := range r.Errors {
				if strings.Contains(why, want) {
					n += k
				}
			}
			// Of two answers at once, the second one may come when the next message is under way.
			if n != 3 && !(want == "nobody asked for" && r.Errors["a message came back changed, or in the wrong order"]+n == 3) {
				t.Errorf("errors %v", r.Errors)
			}
			if r.Seconds > 9 {
				t.Error("the run went on with nobody left")
			}
		})
	}
}

func TestHandshakeErrors(t *testing.T) {
	for want, answer := range map[string]string{
		"answered with 403 Forbidden":  "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"no Upgrade: websocket":        "HTTP/1.1 101 X\r\n\r\n",
		"wrong Sec-WebSocket-Accept":   "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
		"is malformed":                 "garbage\r\n\r\n",
		"the server closed the stream": "",
		"longer than 16384 bytes":      "HTTP/1.1 101 X\r\nA: " + strings.Repeat("x", 100_000),
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := ln.Accept()
				if err != nil {
					return
				}
				io.WriteString(c, answer)
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c)
				c.Close()
			}()
			_, err = load.Run(context.Background(), load.Plan{URL: "ws://" + ln.Addr().String() + "/"})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
			ln.Close()
			<-done
		})
	}
}

// Pings are answered, with their payload; fragments count as one message.
func TestPingsAndFragments(t *testing.T) {
	pongs := make(chan []byte, 1)
	url := raw(t, func(c net.Conn, br *bufio.Reader) {
		asked := false
		for {
			h, p, err := readFrame(br)
			if err != nil {
				return
			}
			switch h & 15 {
			case 2:
				frames := []byte{0x02, 3}
				frames = append(frames, p[:3]...)
				if !asked {
					frames = append(frames, 0x89, 4, 'p', 'i', 'n', 'g')
					asked = true
				}
				frames = append(frames, 0x00, 0, 0x80, byte(len(p)-3))
				frames = append(frames, p[3:]...)
				for _, b := range frames { // the parser sees every boundary
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
				}
			case 10:
				pongs <- p
			case 8:
				c.Write([]byte{0x88, 2, 3, 232})
				return
			}
		}
	})
	clean(t, run(t, load.Plan{URL: url, Sizes: load.Sizes{{20, 1}}}))
	if p := <-pongs; string(p) != "ping" {
		t.Errorf("the pong has %q", p)
	}
}

// readFrame reads a frame of a client's, of no more than 65,535 bytes.
func readFrame(br *bufio.Reader) (first byte, payload []byte, err error) {
	var h [8]byte
	if _, err := io.ReadFull(br, h[:6]); err != nil {
		return 0, nil, err
	}
	size, key := int(h[1]&0x7f), h[2:6]
	if size == 126 {
		if _, err := io.ReadFull(br, h[6:]); err != nil {
			return 0, nil, err
		}
		size, key = int(h[2])<<8|int(h[3]), h[4:]
	}
	p := make([]byte, size)
	if _, err := io.ReadFull(br, p); err != nil {
		return 0, nil, err
	}
	for i := range p {
		p[i] ^= key[i&3]
	}
	return h[0], p, nil
}

// A server that stops answering costs its connections, and each of them counts.
func TestSilentServer(t *testing.T) {
	url := serve(t, func(ctx context.Context, c *ws.Conn) error {
		for range c.Messages(ctx) {
		}
		return nil
	})
	r := run(t, load.Plan{URL: url, Connections: 5, Duration: 4 * time.Second, Timeout: time.Second})
	if r.Errors["no answer within the time-out"] != 5 || r.Lost != 5 {
		t.Errorf("%d lost, errors %v", r.Lost, r.Errors)
	}
	r = run(t, load.Plan{URL: url, Connections: 5, Duration: 100 * time.Millisecond, Timeout: time.Second})
	if r.Lost != 5 {
		t.Errorf("a short run: %d lost, errors %v", r.Lost, r.Errors)
	}
}

// A server that does not answer a close frame costs its connections, too.
func TestUnansweredClose(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	url := serve(t, func(context.Context, *ws.Conn) error {
		<-over // and nothing is read
		return nil
	})
	r := run(t, load.Plan{URL: url, Scenario: load.Idle, Connections: 3, Duration: 100 * time.Millisecond, Timeout: time.Second})
	if len(r.Errors) != 1 || r.Errors["the close frame was not answered"] != 3 {
		t.Errorf("errors %v", r.Errors)
	}
}

// One leaves in the middle of a fan-out; the others go on, unless it was the sender.
func TestFanoutLosesOne(t *testing.T) {
	for _, sender := range []bool{false, true} {
		n := 0
		var url string
		b := newBroadcast(func(from *ws.Conn, all map[*ws.Conn]bool) {
			if n++; n != 20 {
				return
			}
			for c := range all {
				if (c == from) == sender {
					c.CloseNow()
					return
				}
			}
		})
		url = serve(t, b)
		duration := 1500 * time.Millisecond
		if sender {
			duration = time.Minute // it ends by itself
		}
		r := run(t, load.Plan{URL: url, Scenario: load.Fanout, Connections: 10, Depth: 4, Duration: duration})
		errors := int64(0)
		for _, n := range r.Errors {
			errors += n
		}
		if errors != 1 || r.Received == 0 || sender && r.Seconds > 30 || !sender && r.Seconds < 1.4 || !sender && (r.Lost != 0 || r.Received < 9*30) {
			t.Errorf("sender %v: %d received in %.2f s, %d lost, %v", sender, r.Received, r.Seconds, r.Lost, r.Errors)
		}
	}
}

func FuzzServer(f *testing.F) {
	f.Add([]byte("\xc2\x0a\x00\x08\x00\xf7\xffabcde\xc2\x05\x01\x00\x00\xff\xff"))
	f.Add([]byte("\x42\x03\x02\x02\x00\x89\x00\x00\x00\x80\x02\xf2\x48\x88\x02\x03\xe8"))
	f.Add([]byte("\x82\x08abcdefgh\x89\x00\x88\x02\x03\xe8"))
	f.Add([]byte("\x02\x03abc\x80\x05defgh\x82\x7e\x00\x05"))
	f.Add(bytes.Repeat([]byte("\x89\x02hi"), 50))
	f.Fuzz(func(t *testing.T, stream []byte) {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer far.Close()
			br := bufio.NewReader(far)
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			go io.Copy(io.Discard, br)
			fmt.Fprintf(far, "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: %s\r\n\r\n%s", base64.StdEncoding.EncodeToString(sum[:]), stream)
		}()
		load.Run(context.Background(), load.Plan{
			URL: "ws://pipe/", Duration: time.Millisecond, Timeout: 100 * time.Millisecond, Sizes: load.Sizes{{600, 1}}, Compression: load.Takeover,
			Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		})
		near.Close()
		<-done
	})
}
