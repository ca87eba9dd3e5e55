package servers

import (
	"bufio"
	"errors"
	"io"
	"net"

	"github.com/gobwas/ws"
)

// gobwas's low level, which its README calls zero-copy, with the buffers reused that its examples make anew. Read
// buffers are bufio's 4 KiB: without one there are three reads to a message.
var (
	gobwasServer = Server{
		Name: "gobwas", Title: "gobwas/ws", Note: "ws.Upgrader on the raw connection, ReadHeader, Cipher, one write per message", Module: "github.com/gobwas/ws",
		Echo: true, Fanout: true, TLS: true,
		Serve: func(ln net.Listener, job Job) error { return serveGobwas(ln, job, false) },
	}
	gobwasBatchServer = Server{
		Name: "gobwas-batch", Title: "gobwas/ws, batching", Note: "the same, one write per drained read buffer, by hand", Module: "github.com/gobwas/ws",
		Echo: true, TLS: true,
		Serve: func(ln net.Listener, job Job) error { return serveGobwas(ln, job, true) },
	}
)

func serveGobwas(ln net.Listener, job Job, batch bool) error {
	ln, err := secured(ln, job)
	if err != nil {
		return err
	}
	var all *hub[net.Conn]
	if job.Fanout {
		all = &hub[net.Conn]{}
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if _, err := ws.Upgrade(c); err == nil {
				gobwasLoop(c, all, batch)
			}
		}()
	}
}

func gobwasLoop(c net.Conn, all *hub[net.Conn], batch bool) error {
	if all != nil {
		all.join(c)
		defer all.leave(c)
	}
	br := bufio.NewReader(c)
	var in, out []byte
	w := gobwasWriter{&out}
	for {
		h, err := ws.ReadHeader(br)
		if err != nil {
			return err
		}
		if h.Length > maxMessage || !h.Masked {
			return errors.New("a frame that is too long, or not masked")
		}
		if int64(cap(in)) < h.Length {
			in = make([]byte, h.Length)
		}
		in = in[:h.Length]
		if _, err := io.ReadFull(br, in); err != nil {
			return err
		}
		ws.Cipher(in, h.Mask, 0)
		h.Masked = false
		if err := ws.WriteHeader(w, h); err != nil {
			return err
		}
		out = append(out, in...)
		switch {
		case h.OpCode == ws.OpClose:
			_, err = c.Write(out)
			return errors.Join(err, io.EOF)
		case batch && br.Buffered() > 0 && len(out) < 64<<10:
			continue
		case all != nil:
			all.each(func(c net.Conn) { c.Write(out) })
		default:
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
		out = out[:0]
	}
}

// gobwasWriter appends to a buffer.
type gobwasWriter struct{ b *[]byte }

func (w gobwasWriter) Write(p []byte) (int, error) {
	*w.b = append(*w.b, p...)
	return len(p), nil
}
