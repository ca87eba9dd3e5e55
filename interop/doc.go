// Package interop tests Tidewire's ws against WebSocket implementations that
// others wrote: each as a client of our servers, and as a server for our
// client. It holds tests and benchmarks only, and is a module of its own so
// that those libraries are no requirements of Tidewire.
package interop
