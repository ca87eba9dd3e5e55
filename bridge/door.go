package bridge

import "net"

// A door is a socket that listens.
type door interface {
	addr() net.Addr
	serve() error // until it is closed, which is no error
	close()       // lets nobody in any more, and returns when serve need not go on for those who are in
}

// listenPlain opens the socket of a rule that is no WebSocket's.
func listenPlain(w *way) (door, error) {
	if w.Listen.packets() {
		return listenPackets(w)
	}
	ln, err := w.listen()
	if err != nil {
		return nil, err
	}
	return &streamDoor{way: w, ln: ln}, nil
}
