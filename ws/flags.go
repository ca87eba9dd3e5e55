package ws

import "sync/atomic"

// flags are yes-or-no facts about a connection that several goroutines read and
// write: one word, where each atomic.Bool would take one of its own.
type flags struct{ word atomic.Uint32 }

const (
	flagEvents  = 1 << iota // the engine has the socket, as desc
	flagKilled              // events: close the stream without ceremony
	flagLoop                // Attach, Messages or CloseRead owns reading
	flagQuiet               // that loop is CloseRead's: no user code runs inside
	flagWakes               // that loop is inside Socket.Wakes
	flagWaiting             // a loop that calls user code waits for bytes, and none are there
	flagRetry               // the loop inside Socket.Wakes is to read once more
	flagGone                // the stream is closed
	flagPlain               // the stream is a plain socket; see plain
	flagOther               // it is not
	flagPassing             // the reader writes what has come somewhere else
)

func (f *flags) has(bit uint32) bool { return f.word.Load()&bit != 0 }

// delivering reports whether a loop that calls user code owns reading.
func (f *flags) delivering() bool { return f.word.Load()&(flagLoop|flagQuiet) == flagLoop }

// set reports whether the flag was not set before.
func (f *flags) set(bit uint32) bool { return f.word.Or(bit)&bit == 0 }

// clear reports whether the flag was set before.
func (f *flags) clear(bit uint32) bool { return f.word.And(^bit)&bit != 0 }
