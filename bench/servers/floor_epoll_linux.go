package servers

import (
	"bytes"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

var floorsLinux = []Server{{
	Name: "floor-epoll", Title: "floor: epoll", Note: "frames on trust, one thread, one epoll set, no Go runtime in the way", Floor: true,
	Echo: true, Fanout: true,
	Serve: func(ln net.Listener, job Job) error {
		runtime.LockOSThread()
		file, err := ln.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		defer file.Close()
		e := &floorEpoll{job: job, ln: int(file.Fd()), buffer: make([]byte, floorBuffer)}
		return e.run()
	},
}}

// floorEpoll is one thread and everything that it has.
type floorEpoll struct {
	job    Job
	set    int
	ln     int
	conns  []*floorSocket // by descriptor
	all    []*floorSocket // of a fan-out
	buffer []byte
}

type floorSocket struct {
	fd      int
	place   int // in all
	in      partial
	out     []byte // what the kernel has not taken
	request []byte // of an incomplete handshake
	open    bool   // the handshake is over
	closing bool   // when out has gone
}

func (e *floorEpoll) run() (err error) {
	if e.set, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err := unix.SetNonblock(e.ln, true); err != nil {
		return err
	}
	if err := e.watch(unix.EPOLL_CTL_ADD, e.ln, unix.EPOLLIN); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 512)
	for {
		n, err := unix.EpollWait(e.set, events, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			fd := int(ev.Fd)
			if fd == e.ln {
				e.accept()
				continue
			}
			s := e.conns[fd]
			if s != nil && ev.Events&unix.EPOLLOUT != 0 {
				e.send(s, nil)
			}
			if s = e.conns[fd]; s != nil && ev.Events&^unix.EPOLLOUT != 0 {
				e.receive(s)
			}
		}
	}
}

func (e *floorEpoll) watch(op, fd int, events uint32) error {
	return unix.EpollCtl(e.set, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (e *floorEpoll) accept() {
	for {
		fd, _, err := unix.Accept4(e.ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		for fd >= len(e.conns) {
			e.conns = append(e.conns, nil)
		}
		e.conns[fd] = &floorSocket{fd: fd}
		e.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)
	}
}

func (e *floorEpoll) end(s *floorSocket) {
	if e.conns[s.fd] != s {
		return
	}
	e.conns[s.fd] = nil
	if s.open && e.job.Fanout {
		last := e.all[len(e.all)-1]
		e.all[s.place], last.place = last, s.place
		e.all = e.all[:len(e.all)-1]
	}
	unix.Close(s.fd)
}

func (e *floorEpoll) receive(s *floorSocket) {
	n, err := unix.Read(s.fd, s.in.into(e.buffer))
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil || n == 0:
		e.end(s)
		return
	}
	if !s.open {
		request := e.buffer[:n]
		if s.request != nil {
			request = append(s.request, request...)
		}
		answer := shake(request)
		if answer == nil {
			s.request = bytes.Clone(request)
			return
		}
		s.open, s.request, s.place = true, nil, len(e.all)
		if e.job.Fanout {
			e.all = append(e.all, s)
		}
		e.send(s, answer)
		return
	}
	t := s.in.take(e.buffer, n)
	switch {
	case t.closed:
		s.closing = true
		e.send(s, t.out)
	case len(t.out) == 0:
	case e.job.Fanout:
		for i := len(e.all) - 1; i >= 0; i-- { // from the end, because send may take one out
			e.send(e.all[i], t.out)
		}
	default:
		e.send(s, t.out)
	}
}

// send writes what waits, and b behind it.
func (e *floorEpoll) send(s *floorSocket, b []byte) {
	waited := len(s.out) > 0
	if waited {
		b = append(s.out, b...)
	}
	n, err := unix.Write(s.fd, b)
	if err != nil && err != unix.EAGAIN {
		e.end(s)
		return
	}
	if b = b[max(n, 0):]; len(b) == 0 {
		s.out = nil
		if s.closing {
			e.end(s)
		} else if waited {
			e.watch(unix.EPOLL_CTL_MOD, s.fd, unix.EPOLLIN)
		}
		return
	}
	if waited {
		s.out = b
		return
	}
	s.out = bytes.Clone(b)
	e.watch(unix.EPOLL_CTL_MOD, s.fd, unix.EPOLLIN|unix.EPOLLOUT)
}
