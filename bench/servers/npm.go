package servers

import _ "embed"

//go:embed npm.mjs
var npmScript string

var npmServer = Server{
	Name: "npm-ws", Title: "npm ws", Note: "on Node", Module: "ws", Runtime: "node", Script: npmScript,
	Echo: true, Fanout: true, TLS: true, Deflate: true, Takeover: true,
}
