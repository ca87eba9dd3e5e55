package live

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// addresses counts sessions and messages by client address.
type addresses struct {
	mu  sync.Mutex
	all map[netip.Addr]*address
}

// address is one that has sessions.
type address struct {
	addr     netip.Addr
	sessions int // guarded by addresses.mu

	mu     sync.Mutex
	bucket bucket
}

// full reports whether an address has as many sessions as it may.
func (as *addresses) full(addr netip.Addr, most int) bool {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.all[addr]
	return a != nil && a.sessions >= most
}

// enter counts a session, and returns nil if there are too many.
func (as *addresses) enter(addr netip.Addr, most int) *address {
	as.mu.Lock()
	defer as.mu.Unlock()
	a := as.all[addr]
	if a == nil {
		a = &address{addr: addr}
		if as.all == nil {
			as.all = map[netip.Addr]*address{}
		}
		as.all[addr] = a
	}
	if a.sessions >= most {
		return nil
	}
	a.sessions++
	return a
}

func (as *addresses) leave(a *address) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if a.sessions--; a.sessions == 0 {
		delete(as.all, a.addr)
	}
}

func (a *address) take(now time.Time, l *Limits) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bucket.take(now, l.AddressRate, l.AddressBurst)
}

// remote returns the address of a connection's other end. An IPv6 client has a whole
// network of 64 bits to itself, so that is what counts.
func remote(r *ws.Request) netip.Addr {
	addr := r.RemoteAddr()
	if addr == nil {
		return netip.Addr{}
	}
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		host = addr.String()
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}
