module github.com/tidewire/tidewire/interop/gorillaswap

go 1.26.0

require (
	github.com/gorilla/websocket v1.5.3
	github.com/tidewire/tidewire v0.0.0-00010101000000-000000000000
	go.uber.org/goleak v1.3.0
)

require (
	github.com/klauspost/compress v1.20.4 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
)

replace github.com/tidewire/tidewire => ../..
