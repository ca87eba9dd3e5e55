package natsbroker

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// encode returns a message as it is stored and carried: the protocol's envelope, without a position.
func encode(m *live.Message) ([]byte, error) {
	own := *m
	own.ID, own.Re, own.Pos, own.Prev = 0, 0, live.Position{}, 0
	return own.Codec.Append(nil, &own)
}

// decode is the way back. The message's Data is a part of p.
func decode(p []byte) (*live.Message, error) {
	if len(p) == 0 {
		return nil, errors.New("it is empty")
	}
	codec := protocol.CBOR
	if p[0] == '{' {
		codec = protocol.JSON
	}
	m, err := codec.Parse(p, math.MaxInt32) // the hub bounds what clients nest
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// number reads a number from a header; 0 where it is not there.
func number(m *nats.Msg, header string) uint64 {
	if v := m.Header[header]; len(v) > 0 {
		n, _ := strconv.ParseUint(v[len(v)-1], 10, 64) // the last is the server's own
		return n
	}
	return 0
}

// The headers that the server sets.
const (
	headerSeq     = "Nats-Sequence"
	headerLast    = "Nats-Last-Sequence" // of what came before: in the room, or in a batch
	headerTime    = "Nats-Time-Stamp"
	headerPending = "Nats-Num-Pending"
	headerUpTo    = "Nats-UpTo-Sequence"
	headerID      = "Nats-Msg-Id"
	headerStatus  = "Status"
	headerWhy     = "Description"
)

// stored is a message as a stream has it.
type stored struct {
	msg *live.Message // nil for a fence
	seq uint64
	at  time.Time
}

// fromStream reads a message that a stream was asked for.
func fromStream(m *nats.Msg, epoch string) (stored, error) {
	s := stored{seq: number(m, headerSeq)}
	if v := m.Header[headerTime]; len(v) > 0 {
		at, err := time.Parse(time.RFC3339Nano, v[len(v)-1])
		if err != nil {
			return s, err
		}
		s.at = at
	}
	if len(m.Data) == 0 {
		return s, nil
	}
	msg, err := decode(m.Data)
	if err != nil {
		return s, fmt.Errorf("message %d of the stream cannot be read: %w", s.seq, err)
	}
	msg.Pos = live.Position{Epoch: epoch, Seq: s.seq, Mid: msg.Mid}
	s.msg = msg
	return s, nil
}
