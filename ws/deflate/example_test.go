package deflate_test

import (
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/ws/deflate"
)

// A handshake, and two messages from the server to the client. The second is
// smaller, because it refers to the first.
func Example() {
	server := &deflate.Options{WindowBits: 12}
	client := &deflate.Options{}

	offer := client.Offer()
	atServer, response, ok := server.Negotiate([]string{offer})
	if !ok {
		return // the server names no extension
	}
	atClient, ok, err := client.Confirm([]string{response})
	if err != nil || !ok {
		return // the client fails the connection, or goes on without
	}
	fmt.Println(offer)
	fmt.Println(response)

	c := deflate.NewCompressor(server, atServer, false)
	defer c.Release()
	d := deflate.NewDecompressor(atClient, true)
	defer d.Release()

	for _, message := range []string{"The tide comes in.", "The tide comes in again."} {
		payload, err := c.Append(nil, []byte(message))
		if err != nil {
			fmt.Println(err)
			return
		}
		got, err := d.Append(nil, payload, 1<<20)
		fmt.Printf("%q, smaller: %v, %v\n", got, len(payload) < len(message), err)
	}
	// Output:
	// permessage-deflate; client_max_window_bits
	// permessage-deflate; server_max_window_bits=12
	// "The tide comes in.", smaller: false, <nil>
	// "The tide comes in again.", smaller: true, <nil>
}

// A payload made once and sent to many.
func ExampleAppendStateless() {
	message := []byte(strings.Repeat("high water at noon, ", 20))
	receivers := []*deflate.Compressor{
		deflate.NewCompressor(&deflate.Options{}, deflate.Params{}, false),
		deflate.NewCompressor(&deflate.Options{}, deflate.Params{ServerMaxWindowBits: 10}, false),
	}
	window := receivers[0].Window()
	for _, c := range receivers {
		window = min(window, c.Window())
	}
	payload, err := deflate.AppendStateless(nil, message, 1, window)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range receivers {
		// Here payload is sent; and then:
		c.Observe(message)
		fmt.Println(len(payload) < 100, c.Held())
		c.Release()
	}
	// Output:
	// true 512
	// true 512
}
