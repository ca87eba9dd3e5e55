//go:build !js

package client

import "time"

// pingEvery is 0: the keepalive of ws notices a dead server.
var pingEvery time.Duration
