package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"

	"github.com/tidewire/tidewire/ws/frame"
)

// A server reads messages from a connection whose handshake is done, answers
// pings, and says why when it refuses a frame.
func Example_server() {
	server, client := net.Pipe()
	go func() {
		// What a client would send: every frame has a key of its own.
		send := func(op frame.Opcode, fin bool, payload string) {
			h := frame.Header{Fin: fin, Opcode: op, Masked: true, Key: frame.NewKey()}
			client.Write(frame.Append(nil, h, []byte(payload)))
		}
		send(frame.Text, false, "Hel")
		send(frame.Ping, true, "there?")
		send(frame.Continuation, true, "lo")
		send(frame.Continuation, true, "more")
	}()
	go io.Copy(io.Discard, client) // until the server closes

	serve := func(nc net.Conn) error {
		const limit = 1 << 20
		var (
			state   = frame.State{Role: frame.Server}
			text    frame.UTF8
			header  = make([]byte, frame.MaxHeaderSize)
			control []byte
			message []byte
			out     []byte
		)
		for {
			h, err := frame.ReadHeader(nc, header)
			if err == nil {
				err = state.Check(h)
			}
			if err != nil {
				return err
			}
			if h.Opcode.IsControl() {
				if control, err = frame.ReadPayload(nc, h, control[:0], frame.MaxControlPayload); err != nil {
					return err
				}
				switch h.Opcode {
				case frame.Ping:
					out = frame.Append(out[:0], frame.Header{Fin: true, Opcode: frame.Pong}, control)
					if _, err := nc.Write(out); err != nil {
						return err
					}
					fmt.Printf("ping %q\n", control)
				case frame.Close:
					_, _, err := frame.ParseClose(control)
					return err
				}
				continue
			}
			start := len(message)
			if message, err = frame.ReadPayload(nc, h, message, limit-int64(start)); err != nil {
				return err
			}
			// A real server remembers the opcode of the first frame and lets
			// binary messages pass.
			if !text.Write(message[start:]) || h.Fin && !text.Complete() {
				return frame.ErrInvalidUTF8
			}
			if h.Fin {
				fmt.Printf("message %q\n", message)
				message = message[:0]
				text.Reset()
			}
		}
	}

	err := serve(server)
	var refused *frame.Error
	if errors.As(err, &refused) {
		fmt.Println(uint16(refused.Code), refused.Reason)
		p, err := frame.AppendClose(nil, refused.Code, refused.Reason)
		if err != nil {
			log.Fatal(err)
		}
		server.Write(frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Close}, p))
	}
	server.Close()
	// Output:
	// ping "there?"
	// message "Hello"
	// 1002 continuation frame without a message to continue (RFC 6455 section 5.4)
}

// One frame is read from a net.Conn. The connection is not read any further, so
// that something else may go on with it.
func ExampleReadHeader() {
	nc, peer := net.Pipe()
	defer nc.Close()
	go func() {
		defer peer.Close()
		h := frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: frame.NewKey()}
		peer.Write(frame.Append(nil, h, []byte("Hello")))
	}()

	scratch := make([]byte, frame.MaxHeaderSize)
	h, err := frame.ReadHeader(nc, scratch)
	if err != nil {
		log.Fatal(err)
	}
	payload, err := frame.ReadPayload(nc, h, nil, 1<<20)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s of %d bytes: %q\n", h.Opcode, h.Length, payload)
	// Output: text of 5 bytes: "Hello"
}

// A frame from a server has no mask, so that it is made once for all who receive
// it.
func ExampleAppend_broadcast() {
	wire := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Text}, []byte(`{"type":"tick"}`))

	var receivers [3]bytes.Buffer
	for i := range receivers {
		receivers[i].Write(wire)
	}
	fmt.Printf("%x %q\n", receivers[2].Next(2), receivers[2].Bytes())
	// Output: 810f "{\"type\":\"tick\"}"
}

// Buffers that are kept make a loop that allocates nothing: one for the header,
// one for the payloads.
func ExampleReadPayload_reuse() {
	var stream []byte
	for _, word := range []string{"one", "two", "three"} {
		stream = frame.Append(stream, frame.Header{Fin: true, Opcode: frame.Text}, []byte(word))
	}
	r := bytes.NewReader(stream)

	scratch := make([]byte, frame.MaxHeaderSize)
	buf := make([]byte, 0, 4096)
	for {
		h, err := frame.ReadHeader(r, scratch)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		buf, err = frame.ReadPayload(r, h, buf[:0], int64(cap(buf)))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s ", buf) // valid until the next round
	}
	fmt.Println(cap(buf))
	// Output: one two three 4096
}

// Frames are taken from a read buffer as they lie there, whole or in part.
func ExampleState_Next() {
	b := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: frame.NewKey()}, []byte("Hello"))
	b = append(b, 0x89) // the start of a ping

	state := frame.State{Role: frame.Server}
	var h frame.Header
	for {
		n, err := state.Next(&h, b)
		if err != nil {
			log.Fatal(err)
		}
		if n == 0 {
			fmt.Printf("%d byte waits for more", len(b))
			break
		}
		if int64(len(b)-n) < h.Length {
			log.Fatal("here a server would take the payload in pieces")
		}
		payload := b[n : n+int(h.Length)]
		if h.Masked {
			frame.Mask(payload, h.Key, 0)
		}
		fmt.Printf("%s %q\n", h.Opcode, payload)
		b = b[n+int(h.Length):]
	}
	// Output:
	// text "Hello"
	// 1 byte waits for more
}

// A payload is unmasked in the pieces in which it arrives.
func ExampleMask() {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	first, second := []byte{0x7f, 0x9f, 0x4d}, []byte{0x51, 0x58}
	frame.Mask(first, key, 0)
	frame.Mask(second, key, len(first))
	fmt.Printf("%s%s\n", first, second)
	// Output: Hello
}

// A character may be cut in two by the end of a frame.
func ExampleUTF8() {
	var text frame.UTF8
	fmt.Println(text.Write([]byte("5 \xe2\x82")), text.Complete())
	fmt.Println(text.Write([]byte("\xac")), text.Complete())
	fmt.Println(text.Write([]byte("\xed\xa0")), text.Complete())
	// Output:
	// true false
	// true true
	// false false
}

func ExampleAppendClose() {
	p, err := frame.AppendClose(nil, frame.StatusGoingAway, "restart at noon")
	if err != nil {
		log.Fatal(err)
	}
	code, reason, err := frame.ParseClose(p)
	fmt.Printf("%d %s: %s, %v\n", uint16(code), code, reason, err)
	_, err = frame.AppendClose(nil, frame.StatusAbnormalClosure, "")
	fmt.Println(err)
	// Output:
	// 1001 going away: restart at noon, <nil>
	// status code is not allowed in a close frame (RFC 6455 section 7.4)
}
