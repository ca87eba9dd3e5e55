//go:build !js

package ws

// Behind is how many messages of Groups wait for the end of c's Writer.
func Behind(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil {
		return 0
	}
	return len(c.extra.behind)
}
