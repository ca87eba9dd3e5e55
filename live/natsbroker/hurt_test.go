//go:build linux

package natsbroker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cut cuts a node off from the others, or mends that.
func (c *crew) cut(i int, cut bool) {
	for pair, w := range c.wires {
		if pair[0] == i || pair[1] == i {
			w.set(cut)
		}
	}
}

// hurt does something to a node, and makes it good again.
func (c *crew) hurt(how string) {
	i := c.rnd.IntN(3)
	n := c.nodes[i]
	c.mark(how)
	down := time.Duration(c.rnd.Int64N(int64(3 * time.Second)))
	switch how {
	case "SIGKILL":
		n.end(syscall.SIGKILL)
		time.Sleep(down)
		n.start()
	case "SIGTERM":
		n.end(syscall.SIGTERM)
		time.Sleep(down)
		n.start()
	case "SIGSTOP":
		n.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(2*down + time.Second)
		n.cmd.Process.Signal(syscall.SIGCONT)
	case "quorum":
		other := c.nodes[(i+1)%3]
		n.end(syscall.SIGKILL)
		other.end(syscall.SIGKILL)
		time.Sleep(down)
		n.start()
		other.start()
	case "full":
		c.full(down)
	case "clock":
		jumps := []time.Duration{time.Second, time.Minute, 10 * time.Minute, 2 * time.Hour}
		n.clock(jumps[c.rnd.IntN(len(jumps))] * time.Duration(2*c.rnd.IntN(2)-1))
		time.Sleep(2*down + time.Second)
		if c.rnd.IntN(2) == 0 { // otherwise it stays wrong until the process ends
			n.clock(0)
		}
	case "old":
		c.old(n, down)
	case "lost":
		c.lost(n)
	case "cut":
		c.cut(i, true)
		time.Sleep(4*down + time.Second)
		c.cut(i, false)
	}
}

// mark has it be noted how long it takes from now until messages are acknowledged in all rooms.
func (c *crew) mark(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurtAt, c.hurtBy, c.waits = time.Now(), how, map[string]bool{}
	for _, name := range promiseRooms {
		c.waits[name] = true
	}
}

// full fills the last node's disk for seconds. What its server does not store then it stores when there is room.
func (c *crew) full(d time.Duration) {
	n := c.nodes[2]
	broke, mended := n.said("stores nothing more"), n.said("was started anew")
	empty, err := c.disk.fill()
	if err != nil {
		c.t.Errorf("the disk could not be filled: %v", err)
		return
	}
	time.Sleep(2*d + time.Second)
	empty()
	freed := time.Now()
	for n.said("stores nothing more") > broke && n.said("was started anew") == mended {
		if time.Since(freed) > time.Minute {
			c.t.Error("a node whose disk has room again stores nothing")
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n.said("was started anew") > mended {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mended = append(c.mended, time.Since(freed))
	}
}

// clock sets a node's clock to be wrong by that.
func (n *member) clock(by time.Duration) {
	if n.bent {
		fmt.Fprintln(n.in, by)
	}
}

// old has a node go on, after a while, with the store that it had.
func (c *crew) old(n *member, d time.Duration) {
	kept := n.dir + ".old"
	n.end(syscall.SIGTERM)
	defer os.RemoveAll(kept)
	err := os.CopyFS(kept, os.DirFS(n.dir))
	n.start()
	time.Sleep(time.Second + 2*d)
	n.end(syscall.SIGTERM)
	if err = errors.Join(err, os.RemoveAll(n.dir), os.Rename(kept, n.dir)); err != nil {
		c.t.Errorf("an old store: %v", err)
	}
	c.mark("old")
	n.start()
}

// lost has a node go on with an empty store, of which it knows no more than its name, once the others go on without it.
func (c *crew) lost(n *member) {
	n.end(syscall.SIGKILL)
	c.mark("SIGKILL")
	c.calm()
	all, err := os.ReadDir(n.dir)
	for _, x := range all {
		if x.Name() != "node" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(n.dir, x.Name())))
		}
	}
	if err != nil {
		c.t.Errorf("a lost store: %v", err)
	}
	c.mark("lost")
	n.start()
}

// calm waits until something was acknowledged in all rooms behind the last hurt.
func (c *crew) calm() {
	waiting := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.waits) > 0
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && waiting(); {
		time.Sleep(10 * time.Millisecond)
	}
}
