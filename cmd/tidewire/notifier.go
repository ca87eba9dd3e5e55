package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// notifyWait bounds how long this process waits for systemd to take a word.
const notifyWait = time.Second

// A notifier tells systemd how this process is (sd_notify(3)). One without a socket tells nobody.
type notifier struct {
	conn  *net.UnixConn
	every time.Duration // how soon systemd wants to hear that it lives; 0: never
	log   *slog.Logger

	group  sync.WaitGroup
	cancel context.CancelFunc
}

// newNotifier takes what systemd says out of the environment, so that no process that this one starts has it.
func newNotifier(log *slog.Logger) (*notifier, error) {
	path, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		os.Unsetenv(name)
	}
	n := &notifier{log: log}
	if path == "" {
		return n, nil
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q; it must be a path, or an abstract name that begins with @", path)
	}
	if usec != "" && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		v, err := strconv.ParseInt(usec, 10, 53)
		if err != nil || v <= 0 {
			return nil, fmt.Errorf("WATCHDOG_USEC is %q; it must be a number of microseconds", usec)
		}
		n.every = time.Duration(v) * time.Microsecond
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	n.conn = conn
	return n, nil
}

// say tells systemd something, such as READY=1.
func (n *notifier) say(state string) {
	if n.conn == nil {
		return
	}
	n.conn.SetWriteDeadline(time.Now().Add(notifyWait))
	if _, err := n.conn.Write([]byte(state)); err != nil {
		n.log.Warn("systemd was not told", "state", state, "error", err)
	}
}

// ready tells systemd that clients can come, and from then on that this process lives, as long as alive returns, until
// close.
func (n *notifier) ready(alive func()) {
	n.say("READY=1\nSTATUS=serving")
	if n.conn == nil || n.every == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.group.Go(func() {
		ticker := time.NewTicker(n.every / 2)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				alive()
				n.say("WATCHDOG=1")
			}
		}
	})
}

// close ends it. What alive waits for must go on.
func (n *notifier) close() {
	if n.cancel != nil {
		n.cancel()
	}
	n.group.Wait()
	if n.conn != nil {
		n.conn.Close()
	}
}
