//go:build !js

package wstest_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// echo answers each message until the connection ends.
func echo(c *ws.Conn) {
	for m, err := range c.Messages(context.Background()) {
		if err != nil {
			return
		}
		c.Write(context.Background(), m.Type, m.Data)
	}
}

// A test passes its t in place of nil; then closing and the check for leaks are
// the pair's affair.
func ExamplePair() {
	client, server := wstest.Pair(nil, nil)
	go echo(server)

	ctx := context.Background()
	client.Write(ctx, ws.Text, []byte("hello"))
	_, p, err := client.Read(ctx)
	fmt.Printf("%s, %v\n", p, err)
	fmt.Println(client.Close(ws.StatusNormalClosure, "bye"))
	// Output:
	// hello, <nil>
	// <nil>
}

// The client's bytes reach the server one by one, as on the worst of networks.
func ExampleFaults_chunking() {
	client, server := wstest.Pair(nil, &wstest.PairOptions{
		ClientPipe: wstest.PipeOptions{Faults: wstest.Faults{Chunk: 1}},
	})
	defer client.CloseNow()
	defer server.CloseNow()

	ctx := context.Background()
	client.Write(ctx, ws.Text, []byte("in one piece"))
	_, p, err := server.Read(ctx)
	fmt.Printf("%s, %v\n", p, err)
	// A header of 2 bytes, a mask key of 4 and the message of 12.
	fmt.Println(wstest.Stream(server).Counts().Reads, "reads")
	// Output:
	// in one piece, <nil>
	// 18 reads
}

// The connection breaks in the middle of a message.
func ExampleFaults_reset() {
	client, server := wstest.Pair(nil, nil)
	defer client.CloseNow()
	defer server.CloseNow()

	wstest.Stream(client).SetFaults(wstest.Faults{Cut: wstest.CutReset, After: 10})
	ctx := context.Background()
	client.Write(ctx, ws.Text, []byte("never arrives"))
	_, _, err := server.Read(ctx)
	fmt.Println(errors.Is(err, syscall.ECONNRESET), ws.CloseStatus(err))
	// Output:
	// true abnormal closure
}

// The client stops reading. What the server sends fills the pipe, then the
// server's own queue, and then it has to decide.
func ExampleFaults_stalledReader() {
	client, server := wstest.Pair(nil, &wstest.PairOptions{
		Server:     ws.ConnOptions{WriteQueue: 1000},
		ServerPipe: wstest.PipeOptions{Buffer: 1000},
	})
	defer client.CloseNow()
	defer server.CloseNow()

	stream := wstest.Stream(server)
	stream.SetFaults(wstest.Faults{Stall: true})
	sent := 0
	for server.TryWrite(ws.Binary, make([]byte, 100)) {
		sent++
	}
	// The queue holds 9 such messages, and the pipe as many again.
	fmt.Println("full after 9 to 20 messages:", sent >= 9 && sent <= 20)

	stream.SetFaults(wstest.Faults{}) // it reads again
	for range sent {
		client.Read(context.Background())
	}
	fmt.Println("on we go:", server.Write(context.Background(), ws.Text, []byte("more")))
	_, more, _ := client.Read(context.Background())
	fmt.Printf("%s\n", more)
	// Output:
	// full after 9 to 20 messages: true
	// on we go: <nil>
	// more
}

// A Recorder sees what really went over the wire.
func ExampleRecorder() {
	var sent wstest.Recorder
	client, server := wstest.Pair(nil, &wstest.PairOptions{
		ClientPipe: wstest.PipeOptions{Tap: sent.Tap},
	})
	go echo(server)

	client.Write(context.Background(), ws.Text, []byte("hi"))
	client.Close(ws.StatusNormalClosure, "")
	frames, err := sent.Frames()
	for _, f := range frames {
		fmt.Printf("%v fin=%v masked=%v %q\n", f.Opcode, f.Fin, f.Masked, f.Payload)
	}
	fmt.Println(err)
	// Output:
	// text fin=true masked=true "hi"
	// close fin=true masked=true "\x03\xe8"
	// <nil>
}
