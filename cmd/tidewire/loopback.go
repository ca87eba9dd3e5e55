package main

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// errElsewhere is a target that nobody has vouched for.
type errElsewhere struct{ address string }

func (e errElsewhere) Error() string {
	return fmt.Sprintf("%s is not a loopback address; any other target needs --yes-i-own-this-server", e.address)
}

// dialer makes connections to this machine alone, unless anywhere is true. It
// looks at the address that the name stands for at the moment of connecting.
func dialer(anywhere bool) *net.Dialer {
	d := new(net.Dialer)
	if !anywhere {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			if ap, err := netip.ParseAddrPort(address); err != nil || !ap.Addr().Unmap().IsLoopback() {
				return errElsewhere{address}
			}
			return nil
		}
	}
	return d
}
