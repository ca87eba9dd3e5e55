package main

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// maxSettle is how long a drain waits at most for who has connected to say what for: a round trip and more.
const maxSettle = 2 * time.Second

// lastWords is how long a drain that has taken all its time goes on at most to tell an application who has gone, and to send spans: those who were cut
// off have gone only then.
const lastWords = time.Second

// settle has the server accept nobody any more, and sees to those who are in their handshake, in a quarter of the time at
// most: a process that has the same socket serves the next ones.
func settle(ctx context.Context, server *ws.Server, drain time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, min(drain/4, maxSettle))
	defer cancel()
	server.StopAccepting(ctx) // who says nothing is closed by Shutdown
}
