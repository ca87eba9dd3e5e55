// Package ws is a WebSocket library (RFC 6455, RFC 7692) for clients and servers.
//
// [Accept] takes a connection over from any net/http handler, [Upgrade] takes
// it from a raw net.Conn without net/http, [Server] has an accept loop of its
// own, [Dial] is the client's side, and [NewConn] runs the protocol over any
// stream. All of them give the same [Conn].
//
// A Conn is read by one goroutine at a time, in one of three ways: message by
// message ([Conn.Read], [Conn.ReadInto], [Conn.Reader]), in a loop
// ([Conn.Messages]), or by events ([Conn.Attach]). It is written from any
// number of goroutines at once; what they write leaves in order, and writers
// that meet share their system calls. A context that ends ends the call it was
// given to and never the connection.
//
// Built for browsers (GOOS=js), Dial and Conn stand over the browser's WebSocket:
// the options that it cannot honour are refused, nobody can ping, and the doors
// for servers are missing.
//
// Every buffer, queue and duration that a peer can influence has a bound; see
// [ConnOptions] for their defaults.
package ws
