package protocol

// The limits of what names may be, in bytes. docs/protocol.md, "Names".
const (
	MaxType  = 64
	MaxRoom  = 128
	MaxMid   = 64 // and of a key
	MaxEpoch = 64
	MaxUser  = 128
	MaxToken = 8192
)

// The defaults and bounds of what both sides must know.
const (
	DefaultDepth = 32        // of nesting in a whole message
	PageDepth    = 3         // what a page of history adds around a message
	HelloJoins   = 50        // rooms in one $hello
	MaxPage      = 200       // of a $history, and of "last"
	DefaultPage  = 50        // of a $history
	MaxInteger   = 1<<53 - 1 // the greatest integer that both codecs say exactly
)

// Backoff is the wait before coming back until a server has said something else.
var Backoff = [2]int64{500, 20_000}
