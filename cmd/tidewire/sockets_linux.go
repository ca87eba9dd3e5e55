package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const firstSocket = 3 // behind standard error: SD_LISTEN_FDS_START

// inherit takes the sockets that were opened for this process, and what says so out of the environment. No process that it
// starts has either.
func inherit() (sockets, error) {
	pid, number := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	names, named := os.LookupEnv("LISTEN_FDNAMES")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // none, or another process's
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("socket activation: LISTEN_FDS is %q, which is no number of sockets", number)
	}
	for i := range int(n) {
		syscall.CloseOnExec(firstSocket + i)
	}
	if n == 0 {
		return nil, nil
	}
	list := strings.Split(names, ":")
	if !named && n == 1 {
		list = []string{httpSocket}
	}
	if len(list) != int(n) {
		return nil, fmt.Errorf("socket activation: LISTEN_FDS says %d sockets, and LISTEN_FDNAMES is %q", n, names)
	}
	all := sockets{}
	for i, name := range list {
		if err := all.take(name, firstSocket+i); err != nil {
			all.close()
			return nil, fmt.Errorf("socket activation: %w", err)
		}
	}
	if !all.has(httpSocket) {
		all.close()
		return nil, errors.New("socket activation: no socket has the name http (FileDescriptorName=http in the .socket unit)")
	}
	return all, nil
}

// take adds the socket with that number.
func (s sockets) take(name string, fd int) error {
	if name != httpSocket && name != adminSocket {
		return fmt.Errorf("a socket has the name %q; the names are http and admin (FileDescriptorName= in the .socket unit)", name)
	}
	if s.has(name) {
		return fmt.Errorf("two sockets have the name %s, and one is served (one ListenStream= in each .socket unit)", name)
	}
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return fmt.Errorf("%s is no socket: descriptor %d: %w", name, fd, err)
	}
	listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil || kind != syscall.SOCK_STREAM || listens == 0 {
		return fmt.Errorf("%s is no listening stream socket (ListenStream= and Accept=no in the .socket unit)", name)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close() // the listener has a copy
	ln, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s[name] = ln
	return nil
}
