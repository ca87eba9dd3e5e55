//go:build linux

package natsbroker_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/client"
)

// browsers are clients of the browser's kind, which run under Node.
type browsers struct {
	crew      *crew
	in        io.WriteCloser
	joined    chan struct{}
	published chan struct{}
	done      chan struct{}
}

// told is a line of js/test/cluster.js.
type told struct {
	Key                     string // subscriber and room
	Position                client.Position
	Mid                     string
	Gap                     *client.Gap
	Acked                   string // the room
	Began                   int64  // in Unix milliseconds
	Lost, Failed            string
	Joined, Published, Done bool
}

// browse starts so many subscribers of all rooms, and so many who publish.
func (c *crew) browse(subscribers, publishers int) *browsers {
	for i := range subscribers {
		c.who = append(c.who, fmt.Sprint("js", i))
	}
	door := newWire(c.t, func() (net.Conn, error) { return c.dial(c.t.Context(), "", "") })
	node := exec.Command("node", "../../js/test/cluster.js", "http://"+door.ln.Addr().String()+"/live", strings.Join(promiseRooms, ","), fmt.Sprint(subscribers), fmt.Sprint(publishers))
	node.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	node.Stderr = c.t.Output()
	in, err := node.StdinPipe()
	out, bad := node.StdoutPipe()
	if err = errors.Join(err, bad); err != nil {
		c.t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		c.t.Fatalf("node (it comes with ./test at the top of the repository): %v", err)
	}
	b := &browsers{crew: c, in: in, joined: make(chan struct{}), published: make(chan struct{}), done: make(chan struct{})}
	over := make(chan struct{})
	c.t.Cleanup(func() {
		in.Close()
		select {
		case <-over:
		case <-time.After(10 * time.Second):
			node.Process.Kill()
			<-over
		}
	})
	go func() {
		defer close(over)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var l told
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				c.t.Errorf("%s: %v", lines.Bytes(), err)
			}
			b.take(l)
		}
		if err := node.Wait(); err != nil {
			c.t.Errorf("node: %v", err)
		}
	}()
	b.wait("have joined", b.joined)
	return b
}

func (b *browsers) take(l told) {
	c := b.crew
	switch {
	case l.Failed != "":
		c.t.Errorf("a browser's client: %s", l.Failed)
	case l.Joined:
		close(b.joined)
	case l.Published:
		close(b.published)
	case l.Done:
		close(b.done)
	case l.Acked != "":
		c.sentOne(l.Acked, l.Position, time.UnixMilli(l.Began), nil)
	case l.Lost != "":
		c.sentOne("", client.Position{}, time.Time{}, client.ErrUnknown)
	case l.Gap != nil:
		c.hear(l.Key, heard{gap: l.Gap})
	default:
		c.hear(l.Key, heard{pos: l.Position, mid: l.Mid})
	}
}

func (b *browsers) wait(what string, ch chan struct{}) {
	select {
	case <-ch:
	case <-time.After(2 * time.Minute):
		b.crew.t.Fatalf("waited in vain until the browsers' clients %s", what)
	}
}

// stop has them publish no more, and waits for what is under way.
func (b *browsers) stop() {
	io.WriteString(b.in, "\n")
	b.wait("publish no more", b.published)
}

// close has them go.
func (b *browsers) close() {
	b.in.Close()
	b.wait("have gone", b.done)
}
