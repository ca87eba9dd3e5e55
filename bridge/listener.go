package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"
)

// listen opens the rule's socket for streams.
func (w *way) listen() (net.Listener, error) {
	ln, err := listen(w.Listen)
	if err != nil {
		return nil, err
	}
	return &candid{Listener: ln, log: w.bridge.log}, nil
}

// A candid listener says so when it fails, as where there are no descriptors left: once a minute, however often that is.
type candid struct {
	net.Listener
	log  *slog.Logger
	said time.Time
}

func (c *candid) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) && time.Since(c.said) >= time.Minute {
		c.said = time.Now()
		c.log.Warn("clients cannot be accepted", "listen", c.Addr().String(), "error", err)
	}
	return conn, err
}

// listen opens a socket for streams.
func listen(e Endpoint) (net.Listener, error) {
	if e.network() != "unix" {
		return net.Listen(e.listens(), e.addr)
	}
	ln, err := net.Listen("unix", e.addr)
	if err != nil {
		// What a process leaves that was killed refuses clients. Any other answer is that of somebody who is there: too
		// busy for one more, for other users, or for datagrams.
		if info, e2 := os.Lstat(e.addr); e2 == nil && info.Mode().Type() == fs.ModeSocket {
			c, e3 := net.Dial("unix", e.addr)
			if e3 == nil {
				c.Close()
			}
			if !refused(e3) {
				return nil, fmt.Errorf("%w: somebody listens there", err)
			}
			os.Remove(e.addr)
			ln, err = net.Listen("unix", e.addr)
		}
	}
	return ln, err
}

// accept takes connections until the listener is closed, and waits where there are no descriptors left.
func accept(ln net.Listener, stopped <-chan struct{}, f func(net.Conn)) error {
	var rest pause
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			rest = 0
			f(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		case isTemporary(err):
			rest.take(stopped)
		default:
			return err
		}
	}
}

func isTemporary(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}
