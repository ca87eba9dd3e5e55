//go:build !js

package ws

import "net"

// Behind is how many messages of Groups wait for the end of c's Writer.
func Behind(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil {
		return 0
	}
	return len(c.extra.behind)
}

// Wire returns what Server.ServeTLS puts below TLS.
func Wire(nc net.Conn) net.Conn { return &wire{nc: nc} }
