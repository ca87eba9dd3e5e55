package main

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/gallery"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// maxEcho is the largest message that /echo takes.
const maxEcho = 32 << 20

// echoOptions lets any page and any client use /echo: it tells them nothing that
// they did not say themselves.
var echoOptions = ws.AcceptOptions{
	ConnOptions: ws.ConnOptions{
		MaxMessage:  maxEcho,
		WriteQueue:  2 * maxEcho,
		QueuePolicy: ws.RefuseWrite,
		Compression: &deflate.Options{},
	},
	AnyOrigin: true,
}

// echoPlain is for who asks not to be sent anything compressed: a browser cannot but offer it.
var echoPlain = func(o ws.AcceptOptions) ws.AcceptOptions {
	o.Compression = nil
	return o
}(echoOptions)

// echoTo accepts what comes to /echo. A query may ask for no compression (?plain), and to be told of the frames.
func echoTo(demos *gallery.Gallery, r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
	if r.RawQuery() == "" {
		return newEcho(), &echoOptions, nil
	}
	query, o := r.Query(), &echoOptions
	if query.Has("plain") {
		o = &echoPlain
	}
	h, o := demos.Frames.Watch(query, newEcho(), o)
	return h, o, nil
}

// echo sends every message back. While its peer takes nothing, it stops reading,
// so that whoever sends without receiving fills its own buffers and not ours.
type echo struct {
	drained chan struct{} // holds one token after the queue has emptied
}

func newEcho() *echo { return &echo{drained: make(chan struct{}, 1)} }

func (e *echo) Opened(c *ws.Conn) {}

func (e *echo) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	for errors.Is(c.Write(context.Background(), typ, p), ws.ErrQueueFull) {
		select {
		case <-e.drained:
		case <-c.Context().Done():
			return
		}
	}
}

func (e *echo) Drained(c *ws.Conn) {
	select {
	case e.drained <- struct{}{}:
	default:
	}
}

func (e *echo) Closed(c *ws.Conn, err error) {}
