// Package frame reads and writes the frames of the WebSocket protocol
// (RFC 6455 section 5). It holds no connection: its functions work on bytes,
// start no goroutine, look at no clock and, except where a buffer of the caller
// is too small, allocate nothing. It is what package ws is made of, and useful
// alone: for a proxy, for a server of one's own, for a broadcast whose frame is
// made once.
//
// Reading takes three steps. [ParseHeader] (or [ReadHeader], from an io.Reader)
// decodes a header, [State.Check] refuses one that is not allowed where it
// stands, and [Mask] (or [ReadPayload]) gives the payload. [State.Next] does the
// first two at once, and is the fastest. Text is checked by [UTF8] as it arrives,
// and a close frame's payload by [ParseClose].
//
// Writing takes one: [Append] makes a whole frame. [AppendHeader] makes its
// header alone, for payloads that are sent from where they lie.
//
// A [State] or a [UTF8] is for one goroutine at a time, and so is a buffer that
// is handed in; apart from that, every function may be called from any number of
// goroutines. Errors are the sentinels of this package or come from the io.Reader.
package frame
