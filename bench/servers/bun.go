package servers

import _ "embed"

//go:embed bun.mjs
var bunScript string

var bunServer = Server{
	Name: "bun", Title: "Bun (uWebSockets)", Note: "Bun.serve; fan-out by publish", Module: "bun", Runtime: "bun", Script: bunScript,
	Echo: true, Fanout: true, TLS: true, Deflate: true, Takeover: true,
}
