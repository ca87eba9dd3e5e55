package client

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/tidewire/tidewire/live/protocol"
)

// Send publishes a message to the room and waits until it is stored; the position is where. In rooms without
// history there is none: the message was delivered to who is there.
//
// While there is no connection the message waits, see [Queue]. When the connection is lost, or the server asks to try
// again, it is repeated with its id for as long as the server knows that id again, counted from when it was
// first sent; so it is stored once. Past that Send fails with [ErrUnknown]. Messages of one room are
// sent, and repeated, in the order in which Send was called. The room need not be joined.
//
// When ctx ends the message is given up. If it had been sent already the error is ErrUnknown too.
func (r *Room) Send(ctx context.Context, typ string, v any) (Position, error) {
	return r.publish(ctx, "", typ, v)
}

// Set is Send for the value of a key, in rooms that keep the latest value of each.
func (r *Room) Set(ctx context.Context, key, typ string, v any) (Position, error) {
	if e := protocol.CheckKey(key); e != nil {
		return Position{}, wrap("send to "+r.name, e)
	}
	return r.publish(ctx, key, typ, v)
}

func (r *Room) publish(ctx context.Context, key, typ string, v any) (Position, error) {
	c := r.c
	m, err := r.message(typ, v)
	if err == nil {
		m.Key = key
		p := &outgoing{room: r, m: m, repeat: true}
		c.mu.Lock()
		err = c.enqueue(p)
		c.mu.Unlock()
		if err == nil {
			m, err = c.await(ctx, p)
		}
	}
	if err != nil {
		return Position{}, wrap("send to "+r.name, err)
	}
	return m.Pos, nil
}

// message is a message for the room, with an id.
func (r *Room) message(typ string, v any) (m protocol.Message, err error) {
	if err := checkType(typ); err != nil {
		return m, err
	}
	if r.wildcard {
		return m, errors.New("a wildcard cannot be published to")
	}
	data, err := r.c.o.Codec.Marshal(v)
	if err != nil {
		return m, err
	}
	return protocol.Message{Type: typ, Room: r.name, Mid: rand.Text(), Data: data, Codec: r.c.o.Codec}, nil
}

// Cast sends a volatile message to the room: it is not stored, has no position, is never queued and never repeated, and
// nobody says whether it arrived. Without a connection it fails with [ErrOffline].
func (r *Room) Cast(typ string, v any) error {
	m, err := r.message(typ, v)
	if err != nil {
		return wrap("cast to "+r.name, err)
	}
	m.Volatile = true
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.closing {
		return ErrClosed
	}
	l := c.link
	if l == nil || !l.ready || c.expired {
		return ErrOffline
	}
	return wrap("cast to "+r.name, l.send(&m))
}
