package talk

// Message is what one side says at once: a message of a WebSocket connection, a
// datagram, or a line or a piece of a stream.
type Message struct {
	Binary bool
	Part   bool // of a stream: no line break has come behind it
	Data   []byte
}

// maxMessage bounds a message, either way, in bytes.
const maxMessage = 16 << 20
