package bridge

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

var (
	errFull        = errors.New("all connections are taken (MaxConnections)")
	errFullAddress = errors.New("all connections of this address are taken (MaxAddressConnections)")
)

// admission counts clients, those of a rule or those of a door that are not upgraded yet.
type admission struct {
	max, maxAddress int

	mu        sync.Mutex
	open      int
	addresses map[netip.Addr]int
}

// enter lets a client in, for whom leave is called once when it has gone.
func (a *admission) enter(from net.Addr) error {
	addr := counted(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= a.max {
		return errFull
	}
	if a.maxAddress > 0 {
		if a.addresses[addr] >= a.maxAddress {
			return errFullAddress
		}
		if a.addresses == nil {
			a.addresses = map[netip.Addr]int{}
		}
		a.addresses[addr]++
	}
	a.open++
	return nil
}

func (a *admission) leave(from net.Addr) {
	addr := counted(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if a.maxAddress > 0 {
		if a.addresses[addr]--; a.addresses[addr] == 0 {
			delete(a.addresses, addr)
		}
	}
}

// counted is whose client one from there is: of IPv6 the network of 64 bits, and everybody's who has no address the zero one.
func counted(from net.Addr) netip.Addr {
	ap, _ := addrPort(from)
	addr := ap.Addr()
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		addr = prefix.Addr()
	}
	return addr
}
