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

// admission counts a rule's clients.
type admission struct {
	max, maxAddress int

	mu        sync.Mutex
	open      int
	addresses map[netip.Addr]int
}

// enter lets a client in. The function that it returns is called once, when the client has gone.
func (a *admission) enter(from net.Addr) (leave func(), err error) {
	ap, _ := addrPort(from) // the zero address is everybody's who has none
	addr := ap.Addr()
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		addr = prefix.Addr()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= a.max {
		return nil, errFull
	}
	if a.maxAddress > 0 {
		if a.addresses[addr] >= a.maxAddress {
			return nil, errFullAddress
		}
		if a.addresses == nil {
			a.addresses = map[netip.Addr]int{}
		}
		a.addresses[addr]++
	}
	a.open++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open--
		if a.maxAddress > 0 {
			if a.addresses[addr]--; a.addresses[addr] == 0 {
				delete(a.addresses, addr)
			}
		}
	}, nil
}
