package talk

// Message is what one side says at once: a message of a WebSocket connection, a
// datagram, or a line or a piece of a stream.
type Message struct {
	Binary bool
	Part   bool // of a stream: no line break has come behind it
	Data   []byte
	Person *Telling // nil: Data
}

// Telling is what a person is shown instead of a message's data.
type Telling struct {
	Text   string
	Data   []byte // behind it; nil where it is a note, which is not counted as a message
	Silent bool   // a person need not be told
}

// isNote reports whether m is something beside the conversation.
func (m *Message) isNote() bool { return m.Person != nil && m.Person.Data == nil }

// maxMessage bounds a message, either way, in bytes.
const maxMessage = 16 << 20
