package protocol

// Message is one message: the envelope of both directions. The zero value of a field
// means that it is absent.
type Message struct {
	Type     string
	ID       uint64   // the sender wants one reply
	Re       uint64   // this is the reply to the message with that ID
	Room     string   // which room this is for, or from
	Pos      Position // where this stands in the room's history
	Prev     uint64   // the Seq before this one in the same room
	Mid      string   // the message's own id
	Key      string   // which value this is, in a room that keeps the latest of each
	From     string   // the user who published it
	Volatile bool     // never stored

	// Data is the payload as it travelled, encoded by Codec; nil where there is none.
	// Parse makes it a part of the bytes that were parsed.
	Data  []byte
	Codec Codec
}

// Position is a place in a room's history: behind the message with that Seq, or, where
// Mid is empty, behind whatever came before.
type Position struct {
	Epoch string `json:"epoch,omitempty"` // the history's identity; absent in messages, where it is that of the last reply
	Seq   uint64 `json:"seq"`
	Mid   string `json:"mid,omitempty"` // of the message with that Seq
}

// IsZero reports whether there is no position.
func (p Position) IsZero() bool { return p == Position{} }

// The types that belong to the protocol.
const (
	TypeHello    = "$hello"
	TypeRefresh  = "$refresh"
	TypeJoin     = "$join"
	TypeLeave    = "$leave"
	TypeHistory  = "$history"
	TypePresence = "$presence"
	TypePing     = "$ping"
	TypeOK       = "$ok"
	TypeError    = "$error"
	TypeLive     = "$live"
	TypeGap      = "$gap"
	TypeLeft     = "$left"
	TypeDegraded = "$degraded"
	TypeDrain    = "$drain"
)
