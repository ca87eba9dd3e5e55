package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/ws"
)

// unixPeers in --trusted-proxies are all that come by a socket in the file system.
const unixPeers = "unix"

// proxyFlags say whose word counts on where a client is.
type proxyFlags struct {
	TrustedProxies []string `help:"Networks and addresses of the proxies in front of this server, separated by commas, such as 10.0.0.0/8,::1; unix for all who come by a socket in the file system. From them alone X-Forwarded-For is believed: its last address that is none of these is the client's, for limits and the log." placeholder:"CIDR"`

	nets []netip.Prefix // of TrustedProxies
}

func (p *proxyFlags) validate() error {
	p.nets = nil
	for _, text := range p.TrustedProxies {
		if text == unixPeers {
			continue
		}
		net, err := netip.ParsePrefix(text)
		if err != nil {
			addr, e := netip.ParseAddr(text)
			if e != nil {
				return fmt.Errorf("--trusted-proxies has %q; each must be a network such as 10.0.0.0/8, an address, or unix", text)
			}
			net = netip.PrefixFrom(addr, addr.BitLen())
		}
		if net.Addr().Is4In6() || net.Addr().Zone() != "" {
			return fmt.Errorf("--trusted-proxies has %q; write an IPv4 network as such, and no zone", text)
		}
		p.nets = append(p.nets, net)
	}
	return nil
}

// address returns what live.Options.Address is to be; nil where nobody is trusted.
func (p *proxyFlags) address() func(r *ws.Request) netip.Addr {
	if len(p.TrustedProxies) == 0 {
		return nil
	}
	return func(r *ws.Request) netip.Addr {
		from, at := r.RemoteAddr(), r.LocalAddr()
		if from == nil || at == nil {
			return netip.Addr{}
		}
		return counted(p.sender(from.String(), at, r.Headers()["X-Forwarded-For"]).Addr())
	}
}

// client returns who sent a request: what bridge.Options.Client is to be; nil where nobody is trusted. A port is only known of
// who comes by no proxy.
func (p *proxyFlags) client() func(r *http.Request) net.Addr {
	if len(p.TrustedProxies) == 0 {
		return nil
	}
	return func(r *http.Request) net.Addr {
		at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if client := p.sender(r.RemoteAddr, at, r.Header["X-Forwarded-For"]); client.Addr().IsValid() {
			return net.TCPAddrFromAddrPort(client)
		}
		return &net.UnixAddr{Net: "unix"}
	}
}

// sender returns who sent a request with these lines of X-Forwarded-For, which came from there, as text, to an address of ours. The
// address is the zero one where nobody knows it.
func (p *proxyFlags) sender(from string, at net.Addr, lines []string) netip.AddrPort {
	peer, err := netip.ParseAddrPort(from)
	peer = netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
	trusted := p.trusts(peer.Addr())
	if err != nil { // a socket in the file system
		trusted = slices.Contains(p.TrustedProxies, unixPeers) && at != nil && at.Network() == "unix"
	}
	if trusted {
		if client := p.forwarded(peer.Addr(), lines); client != peer.Addr() {
			return netip.AddrPortFrom(client, 0)
		}
	}
	return peer
}

func (p *proxyFlags) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p.nets, func(net netip.Prefix) bool { return net.Contains(addr) })
}

// forwarded returns the client's address, where peer is trusted and has sent these lines of X-Forwarded-For. Each proxy has
// written behind what it found: so they are read from their end, as long as who wrote is trusted. What is left of an
// address that is not trusted, or of what is no address, may be anybody's invention.
func (p *proxyFlags) forwarded(peer netip.Addr, lines []string) netip.Addr {
	for _, line := range slices.Backward(lines) {
		for line != "" {
			last := ""
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				line, last = line[:i], line[i+1:]
			} else {
				line, last = "", line
			}
			if last = strings.Trim(last, " \t"); last == "" {
				continue
			}
			addr, ok := hop(last)
			if !ok {
				return peer
			}
			if peer = addr; !p.trusts(peer) {
				return peer
			}
		}
	}
	return peer
}

// hop reads an address as proxies write it: with a port or without one, IPv6 in brackets or without.
func hop(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
			addr, err = netip.ParseAddr(inner[:len(inner)-1])
			if err == nil && !addr.Is6() {
				return addr, false
			}
		} else {
			var with netip.AddrPort
			with, err = netip.ParseAddrPort(text)
			addr = with.Addr()
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}

// counted is what the limits of an address count: of IPv6 the network of 64 bits, which a client has to itself.
func counted(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if net, err := addr.Prefix(64); err == nil {
			return net.Addr()
		}
	}
	return addr
}
