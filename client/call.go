package client

import (
	"context"
	"errors"
	"slices"

	"github.com/tidewire/tidewire/live/protocol"
)

// A handler is for messages of one type without a room.
type handler struct {
	on   []func(ctx context.Context, m *Message)
	call func(ctx context.Context, m *Message) (any, error)
}

// A call is a message without a room that waits for its handler.
type call struct {
	m *Message
	l *link
	h *handler
}

// Call calls the server's handler of that type and returns what it answers. An answer that is an error is found by
// errors.As as an [*Error]. Without a connection the call waits for one, see [Queue]. One that was under
// way when the connection was lost, or ctx ended, fails with [ErrUnknown] and is not repeated.
// Options.CallTimeout bounds it beside ctx.
func Call[Req, Res any](ctx context.Context, c *Client, typ string, req Req) (Res, error) {
	var res Res
	m, err := c.call(ctx, typ, req)
	if err == nil {
		err = m.Codec.Unmarshal(m.Data, &res)
	}
	return res, wrap("call "+typ, err)
}

// Send sends a message without a room and waits until the server's handler has taken it. It is [Call] without
// a result.
func (c *Client) Send(ctx context.Context, typ string, v any) error {
	_, err := c.call(ctx, typ, v)
	return wrap("send "+typ, err)
}

func (c *Client) call(ctx context.Context, typ string, v any) (m protocol.Message, err error) {
	if err := checkType(typ); err != nil {
		return m, err
	}
	data, err := c.o.Codec.Marshal(v)
	if err != nil {
		return m, err
	}
	return c.request(ctx, &outgoing{m: protocol.Message{Type: typ, Data: data}})
}

// request enqueues a call and waits for its answer, for CallTimeout at most.
func (c *Client) request(ctx context.Context, p *outgoing) (m protocol.Message, err error) {
	ctx, cancel := c.timeout(ctx)
	defer cancel()
	c.mu.Lock()
	err = c.enqueue(p)
	c.mu.Unlock()
	if err != nil {
		return m, err
	}
	return c.await(ctx, p)
}

// On has f called with each message of that type that the server sends without a room. Several functions for one
// type are called in the order in which they were given. ctx ends with the Client. What arrives before On is called
// does not wait for it: with Options.Lazy it can be called before there is a connection.
//
// Messages that do not fit T are logged and counted.
func On[T any](c *Client, typ string, f func(ctx context.Context, v T)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.handlerOf(typ)
	h.on = append(h.on, decoded(c, func(ctx context.Context, v T, _ Meta) { f(ctx, v) }))
}

// Handle has f answer the calls of that type that the server makes. A second function replaces the first. An error that
// is an [*Error] is sent as it is; of any other the server hears that the handler failed, and the log
// what it was. ctx ends with the Client.
func Handle[Req, Res any](c *Client, typ string, f func(ctx context.Context, req Req) (Res, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handlerOf(typ).call = func(ctx context.Context, m *Message) (any, error) {
		var req Req
		if err := m.Decode(&req); err != nil {
			var e *Error
			if errors.As(err, &e) {
				return nil, e
			}
			return nil, protocol.Errorf(protocol.CodeInvalid, "data: %s", err)
		}
		return f(ctx, req)
	}
}

// OnOther has f called with each message without a room whose type has no function of [On]'s and none of [Handle]'s.
// Several functions are called in the order in which they were given. A call is answered as one that nobody
// handles. ctx ends with the Client.
func (c *Client) OnOther(f func(ctx context.Context, m *Message)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.other.on = append(c.other.on, f)
}

// unhandled is the answer to a call that nobody handles.
func unhandled(typ string) *Error {
	return protocol.Errorf(protocol.CodeUnknownType, "no handler for %s", typ)
}

// handlerOf returns the handler of a type. c.mu is held.
func (c *Client) handlerOf(typ string) *handler {
	h := c.handlers[typ]
	if h == nil {
		h = &handler{}
		c.handlers[typ] = h
	}
	return h
}

// called takes a message without a room. c.mu is held, and m's data is lent.
func (c *Client) called(l *link, m *protocol.Message) {
	h := c.handlers[m.Type]
	if h == nil || h.call == nil && len(h.on) == 0 {
		h = &c.other
	}
	size := len(m.Data)
	switch {
	case h == &c.other && len(h.on) == 0:
		l.reply(m.ID, nil, unhandled(m.Type))
	case len(c.calls) >= c.o.Inbox.Max || len(c.calls) > 0 && c.inBytes+size > c.o.Inbox.MaxBytes:
		if m.ID == 0 {
			c.stats.Dropped++
			c.o.Logger.Warn("client: message was dropped: too many wait for their handlers (Options.Inbox)", "type", m.Type)
		}
		l.reply(m.ID, nil, protocol.Errorf(protocol.CodeBusy, "too many messages wait for their handlers"))
	default:
		c.calls = append(c.calls, call{messageOf(m), l, h})
		c.inBytes += size
		c.callWorker.wake()
	}
}

// nextCall is the callWorker's work.
func (c *Client) nextCall() func(context.Context) {
	if len(c.calls) == 0 {
		return nil
	}
	k := c.calls[0]
	c.calls = slices.Delete(c.calls, 0, 1)
	c.inBytes -= len(k.m.data)
	on, f := slices.Clone(k.h.on), k.h.call
	return func(ctx context.Context) { c.handle(ctx, k, on, f) }
}

// handle runs the handlers of a message and answers it.
func (c *Client) handle(ctx context.Context, k call, on []func(context.Context, *Message), f func(context.Context, *Message) (any, error)) {
	for _, f := range on {
		c.guard(func() { f(ctx, k.m) })
	}
	var data []byte
	var refusal *Error
	switch {
	case f != nil:
		data, refusal = c.answer(ctx, k, f)
	case k.h == &c.other:
		refusal = unhandled(k.m.Type)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k.l.reply(k.m.id, data, refusal)
}

// answer is what f makes of a call.
func (c *Client) answer(ctx context.Context, k call, f func(context.Context, *Message) (any, error)) ([]byte, *Error) {
	var v any
	err := errPanicked
	c.guard(func() { v, err = f(ctx, k.m) })
	var data []byte
	if err == nil {
		data, err = k.l.codec.Marshal(v)
	}
	if err == nil {
		return data, nil
	}
	var e *Error
	if errors.As(err, &e) {
		return nil, e
	}
	if err != errPanicked { // that one is in the log
		c.o.Logger.Error("client: handler failed", "type", k.m.Type, "error", err)
	}
	return nil, protocol.Errorf(CodeInternal, "the handler failed")
}

var errPanicked = errors.New("handler panicked")
