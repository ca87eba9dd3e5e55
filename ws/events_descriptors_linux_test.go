package ws_test

import (
	"maps"
	"net"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// Without a descriptor to spare, a connection that is attached is driven by a
// goroutine, and one that comes later by the engine.
func TestAttachWithoutDescriptors(t *testing.T) {
	leakCheck(t)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	for spare, voids := 0, 0; spare < 5; spare++ { // for the copy, the set, the wake-up
		e := ws.NewEngine()
		client, srv := pair(t, "tcp", ws.ConnOptions{Engine: e})
		next, nextSrv := pair(t, "tcp", ws.ConnOptions{Engine: e})
		low := limit
		free := lowestFree(t)
		low.Cur = uint64(free + spare)
		taken := identities(free)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		srv.Attach(echoHandler)
		mustWrite(t, client, ws.Text, []byte("x"))
		mustRead(t, client)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		switch got := isEvented(srv); {
		case got == (spare >= 3):
		case !maps.Equal(taken, identities(free)) && voids < 20: // something of before was closed only now, and made room
			spare--
			voids++
		default:
			t.Errorf("with %d descriptors to spare the engine took it: %v", spare, got)
		}
		nextSrv.Attach(echoHandler)
		mustWrite(t, next, ws.Text, []byte("x"))
		mustRead(t, next)
		if !isEvented(nextSrv) {
			t.Error("the next one is not the engine's")
		}
		for _, c := range []*ws.Conn{client, srv, next, nextSrv} {
			c.CloseNow()
		}
		waitFor(t, func() bool { return e.Open() == 0 })
	}
}

// identities returns what the open descriptors below a number are.
func identities(below int) map[int][2]uint64 {
	open := map[int][2]uint64{}
	for fd := range below {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil {
			open[fd] = [2]uint64{uint64(st.Dev), uint64(st.Ino)}
		}
	}
	return open
}

// lowestFree returns a number above those of all open descriptors, and makes sure
// that none below it is free.
func lowestFree(t *testing.T) int {
	var fill []int
	highest := 0
	for fd := range 4096 {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) == nil {
			highest = fd
		}
	}
	for {
		fd, err := syscall.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		if fd > highest {
			syscall.Close(fd)
			break
		}
		fill = append(fill, fd)
	}
	t.Cleanup(func() {
		for _, fd := range fill {
			syscall.Close(fd)
		}
	})
	return highest + 1
}

// A socket that somebody made blocking, as (*os.File).Fd does to all that share it,
// holds up nobody: least of all the worker.
func TestAttachOfABlockingSocket(t *testing.T) {
	leakCheck(t)
	nc, raw := netPair(t, "tcp", "127.0.0.1:0")
	defer nc.Close()
	c := ws.NewConn(raw, ws.Params{ConnOptions: ws.ConnOptions{Engine: ws.NewEngine()}})
	defer c.CloseNow()
	control, err := raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control.Control(func(fd uintptr) { syscall.SetNonblock(int(fd), false) })
	c.Attach(echoHandler)
	waitFor(t, func() bool { return isEvented(c) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			nc.Write(rawFrame(true, frame.Text, []byte("hello")))
			readRaw(t, nc)
		}
		// More than the peer takes: the excess is queued.
		for c.Buffered() == 0 && c.TryWrite(ws.Binary, make([]byte, 10_000)) {
		}
	}()
	await(t, done, "somebody who must not wait")
}

// Urgent data, of which the protocol knows nothing, does not hide what comes behind it.
func TestUrgentData(t *testing.T) {
	leakCheck(t)
	nc, c := server(t, "tcp", ws.ConnOptions{Engine: ws.NewEngine(), PingInterval: -1})
	got := make(chan string, 10)
	gate := make(chan struct{})
	c.Attach(ws.HandlerFunc(func(_ *ws.Conn, _ ws.MessageType, p []byte) {
		got <- string(p)
		if string(p) == "wait" {
			<-gate
		}
	}))
	nc.Write(rawFrame(true, frame.Text, []byte("wait")))
	await(t, got, "the first message")
	nc.Write(rawFrame(true, frame.Text, []byte("before")))
	control, _ := nc.(*net.TCPConn).SyscallConn()
	control.Control(func(fd uintptr) { syscall.Sendto(int(fd), []byte("!"), syscall.MSG_OOB, nil) })
	nc.Write(rawFrame(true, frame.Text, []byte("behind")))
	close(gate)
	if a, b := await(t, got, "before"), await(t, got, "behind"); a != "before" || b != "behind" {
		t.Errorf("got %q and %q", a, b)
	}
}
