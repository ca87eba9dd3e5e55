//go:build unix

package servers

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

var floorsUnix = []Server{{
	Name: "floor-raw", Title: "floor: RawConn", Note: "frames on trust, a goroutine inside one RawConn.Read", Floor: true,
	Echo: true, Fanout: true,
	Serve: func(ln net.Listener, job Job) error {
		var all hub[*floorRaw]
		for {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			go func() {
				defer c.Close()
				b := floorBuffers.Get().(*[]byte)
				ok := floorShake(c, *b)
				floorBuffers.Put(b)
				raw, err := c.(*net.TCPConn).SyscallConn()
				if err != nil || !ok {
					return
				}
				f := &floorRaw{raw: raw}
				if job.Fanout {
					all.join(f)
					defer all.leave(f)
					f.all = &all
				}
				raw.Read(f.ready)
			}()
		}
	},
}}

type floorRaw struct {
	raw syscall.RawConn
	in  partial
	all *hub[*floorRaw]
}

// ready reads until there is nothing; false asks to be called again.
func (f *floorRaw) ready(fd uintptr) (over bool) {
	pooled := floorBuffers.Get().(*[]byte)
	defer floorBuffers.Put(pooled)
	for {
		into := f.in.into(*pooled)
		n, err := unix.Read(int(fd), into)
		if err != nil {
			return err != unix.EAGAIN && err != unix.EINTR
		}
		if n == 0 {
			return true
		}
		t := f.in.take(*pooled, n)
		if f.all != nil && !t.closed && len(t.out) > 0 {
			f.all.each(func(f *floorRaw) { f.write(t.out) })
		} else if len(t.out) > 0 {
			// This goroutine is inside of Read: the first try needs no Write.
			n, err := unix.Write(int(fd), t.out)
			if err == unix.EAGAIN || err == nil && n < len(t.out) {
				f.write(t.out[max(n, 0):])
			} else if err != nil {
				return true
			}
		}
		if t.closed {
			return true
		}
		if n < len(into) {
			return false
		}
	}
}

func (f *floorRaw) write(b []byte) {
	f.raw.Write(func(fd uintptr) bool {
		for len(b) > 0 {
			n, err := unix.Write(int(fd), b)
			if err == unix.EAGAIN {
				return false
			}
			if err != nil {
				return true
			}
			b = b[n:]
		}
		return true
	})
}
