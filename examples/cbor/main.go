// Command cbor shows a codec of one's own: a ws.Codec is two functions, and here
// they are those of github.com/fxamacker/cbor. CBOR (RFC 8949) is JSON's model in
// bytes: smaller, with byte strings and times, and it travels in binary messages.
//
//	go run ./examples/cbor
//
// A server averages the readings that a client sends; both speak CBOR.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tidewire/tidewire/ws"
)

// CBOR sends values as CBOR in binary messages, and refuses text.
var CBOR = ws.Codec{
	Marshal: func(v any) (ws.MessageType, []byte, error) {
		p, err := encoder.Marshal(v)
		return ws.Binary, p, err
	},
	Unmarshal: func(typ ws.MessageType, p []byte, v any) error {
		if typ != ws.Binary {
			return errors.New("CBOR travels in binary messages, and this one is text")
		}
		return decoder.Unmarshal(p, v)
	},
}

// Core deterministic encoding gives equal values equal bytes. The decoder's bounds are
// for what a message can make of few bytes: ws has bounded the message itself.
var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  16,
		MaxArrayElements: 1024,
		MaxMapPairs:      1024,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options above are wrong
	}
	return v
}

// Reading is what the client sends. Small integers as keys make a message of about
// half the size of its JSON.
type Reading struct {
	Sensor string    `cbor:"1,keyasint"`
	Values []float32 `cbor:"2,keyasint"`
	Raw    []byte    `cbor:"3,keyasint,omitempty"` // bytes as bytes: no base64
}

// Average is what the server answers.
type Average struct {
	Sensor string  `cbor:"1,keyasint"`
	Value  float32 `cbor:"2,keyasint"`
	Count  int     `cbor:"3,keyasint"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cbor:", err)
		os.Exit(1)
	}
}

// run starts the server on a free port, talks to it, and stops it.
func run(ctx context.Context, _ []string, stdout io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ended := make(chan error, 1) // how the connection ended
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
			err := average(ctx, c)
			ended <- err
			return err
		}, nil),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	defer func() { srv.Close(); <-served }()

	if err := measure(ctx, "ws://"+ln.Addr().String(), stdout); err != nil {
		return err
	}
	if err := <-ended; ws.CloseStatus(err) != ws.StatusNormalClosure {
		return err
	}
	return nil
}

// average answers readings until the client leaves.
func average(ctx context.Context, c *ws.Conn) error {
	for {
		var r Reading
		if err := CBOR.Receive(ctx, c, &r); err != nil {
			if c.Context().Err() == nil {
				// The message could not be decoded. The connection is whole; this one
				// is closed all the same, with a code that says why.
				return c.Close(ws.StatusUnsupportedData, "messages are CBOR")
			}
			return err
		}
		a := Average{Sensor: r.Sensor, Count: len(r.Values)}
		for _, v := range r.Values {
			a.Value += v / float32(len(r.Values))
		}
		if err := CBOR.Send(ctx, c, a); err != nil {
			return err
		}
	}
}

// measure sends two readings and prints the answers.
func measure(ctx context.Context, url string, stdout io.Writer) error {
	c, _, err := ws.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for _, r := range []Reading{
		{Sensor: "tide", Values: []float32{1.5, 2.5, 3.5}},
		{Sensor: "wind", Values: []float32{8}, Raw: []byte{0xca, 0xfe}},
	} {
		if err := CBOR.Send(ctx, c, r); err != nil {
			return err
		}
		var a Average
		if err := CBOR.Receive(ctx, c, &a); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %g over %d readings\n", a.Sensor, a.Value, a.Count)
	}
	return c.Close(ws.StatusNormalClosure, "")
}
