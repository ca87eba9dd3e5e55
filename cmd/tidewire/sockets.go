package main

import (
	"fmt"
	"net"
)

// The names of sockets, as a .socket unit gives them with FileDescriptorName.
const (
	httpSocket  = "http"
	adminSocket = "admin"
)

// sockets are those that were opened for this process and that it listens on, by their names: systemd's socket activation
// (sd_listen_fds(3)). nil are none.
type sockets map[string]net.Listener

// has reports whether there is one of that name.
func (s sockets) has(name string) bool { return s[name] != nil }

// listen returns the one of that name, or a new one on addr, which flag says.
func (s sockets) listen(name, addr, flag string) (net.Listener, error) {
	if ln := s[name]; ln != nil {
		delete(s, name)
		return ln, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w (choose another address with %s)", err, flag)
	}
	return ln, nil
}

// close closes those that nobody has taken.
func (s sockets) close() {
	for _, ln := range s {
		ln.Close()
	}
}
