package bridge

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

var errLeft = errors.New("the connection was reset, or closed")

// socketOf returns the socket of a connection, also of one with TLS; nil if it has none.
func socketOf(conn net.Conn) syscall.RawConn {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(syscall.Conn); ok {
		raw, _ := c.SyscallConn()
		return raw
	}
	return nil
}

// unsentOf is unsent of a connection.
func unsentOf(conn net.Conn) (n int) {
	if raw := socketOf(conn); raw != nil {
		raw.Control(func(fd uintptr) { n = unsent(int(fd)) })
	}
	return n
}

// watch waits until the peer of a connection that nobody reads has left, which is errLeft, or until ctx ends. It reads nothing.
//
// A peer that has only ended what it says may wait for an answer, and one that has said something over a Unix socket wants that to
// arrive: neither has left.
func watch(ctx context.Context, conn net.Conn) error {
	raw := socketOf(conn)
	if raw == nil || ctx.Err() != nil {
		return nil
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	left := false
	tcp := conn.LocalAddr().Network() == "tcp"
	raw.Read(func(fd uintptr) bool {
		left = hungUp(int(fd)) && (tcp || waiting(int(fd)) == 0)
		return left
	})
	if !stop() {
		<-interrupted
	}
	conn.SetReadDeadline(time.Time{})
	if left {
		return errLeft
	}
	return nil
}
