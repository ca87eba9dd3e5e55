package engine

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dismissed is an owner whose handler does what a test wants.
type dismissed struct{ readable func() }

func (o *dismissed) Readable() bool { o.readable(); return true }
func (o *dismissed) Writable()      {}
func (o *dismissed) Blocked()       {}

// A handler that blocks on a lane that is dismissed holds nobody up who is behind
// it in its batch.
func TestDismissedLaneIsLookedAfter(t *testing.T) {
	var p Poller
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	inside, behind := make(chan struct{}), make(chan struct{})
	var ds [2]Descriptor
	defer func() {
		for i := range ds {
			ds[i].Close()
		}
	}()
	for i, f := range []func(){
		func() { close(inside); <-behind },
		func() { close(behind) },
	} {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Add(&ds[i], nc, &dismissed{f}, true); err != nil {
			t.Fatal(err)
		}
		ds[i].busy.Store(0) // nobody reads, and nothing will come
	}

	l := p.current()
	n := &lane{loop: l, extra: true}
	w := &worker{lane: n, n: 2, begin: 1 << indexBits}
	for i := range ds {
		w.events[i] = unix.EpollEvent{Events: unix.EPOLLIN, Fd: ds[i].fd, Pad: int32(ds[i].gen)}
	}
	n.worker.Store(w)
	n.word.Store(wordOf(0, w.begin))
	l.alive.Add(1)
	g := &l.watchdog
	g.mu.Lock()
	g.lanes = append(g.lanes, n)
	g.mu.Unlock()
	g.wakeUp()
	go w.resume(0)
	<-inside
	g.mu.Lock()
	g.crew = crew{max: 2, trial: 1, before: 1, ticks: stretchTicks - 1}
	g.adjust(2)
	left := len(g.lanes)
	g.mu.Unlock()
	if left != 1 {
		t.Fatalf("%d lanes are left", left)
	}
	select {
	case <-behind:
	case <-time.After(5 * time.Second):
		close(behind)
		t.Fatal("who was behind in the batch was held up")
	}
}
