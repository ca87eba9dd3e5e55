package client

import "time"

// pingEvery is the silence after which the server is to send $ping: a browser shows no pings.
var pingEvery = 25 * time.Second
