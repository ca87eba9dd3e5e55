// Package bridge carries bytes and datagrams between WebSocket connections and TCP, TLS, UDP and Unix sockets, in every
// pairing and both directions: a browser reaches a TCP service or a UDP game server, and a TCP client a WebSocket service.
//
//	b, err := bridge.Listen([]bridge.Rule{{
//		Listen: bridge.MustParse("ws://127.0.0.1:8081/db"),
//		Target: bridge.MustParse("tcp:127.0.0.1:5432"),
//	}}, nil)
//	err = b.Run(ctx)
//
// # What becomes of what
//
// A stream's bytes are binary messages, of whatever size they came in; a message's bytes, text or binary, are written to a
// stream. One datagram is one message, both ways. Between two WebSocket connections messages keep their type and their
// boundaries, and the closing code and reason pass. Between a stream and datagrams there are no boundaries to keep, unless
// [Rule.Framing] says how the stream marks them.
//
// # How it ends
//
// A stream that ends in good order is ended in good order on the other side, and the other direction goes on: half-close is
// carried over. WebSocket has none, so two bridges agree on the subprotocol [StreamProtocol], in which an empty text message
// ends a direction. Any other WebSocket client is closed with 1000 when the target has ended; any other WebSocket target is
// left to answer, and closed when it has said nothing for [Rule.Linger].
//
// A stream that breaks is broken on the other side too (a TCP reset, or a close code that is not 1000), so that nobody takes
// half of it for the whole.
//
// # Bounds
//
// No side is read faster than the other one takes: a relay holds at most a buffer of 64 KiB and a write queue of 64 KiB for
// each direction, under [Base64Protocol] also a message of up to 1 MiB, beside what the kernel holds where it moves the bytes,
// and no buffer while nothing passes. Datagrams that come faster are dropped and counted. How many relays there are, how long
// they may be silent and how long they may last is bounded by the [Rule].
package bridge
