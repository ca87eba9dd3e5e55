// Package deflate is permessage-deflate (RFC 7692), the compression of
// WebSocket messages: its negotiation in both roles, a compressor that keeps a
// few KiB per connection instead of a megabyte, and an inflater whose output is
// bounded while it grows.
//
// It knows no connection and no frame. A server answers an offer with
// [Options.Negotiate]; a client offers with [Options.Offer] and checks the
// answer with [Options.Confirm]. Either gives [Params], and those make a
// [Compressor] for what is sent and a [Decompressor] for what is received:
// whole payloads in, whole payloads out. Setting and reading the frame bit RSV1
// is the caller's.
//
// # Memory
//
// Compressors and inflaters are pooled in the process and used for one message
// at a time. A connection keeps only what the next message needs: with context
// takeover the last [Options.History] bytes that it sent, and the window of
// what it received, where the peer kept its own context. Both grow with what
// was really sent and received. Without takeover it keeps nothing. Held tells
// how much it is.
//
// # Secrets
//
// The size of a compressed message tells something about what is in it and, with
// context takeover, about the messages before it. Do not compress text that an
// attacker can choose together with a secret that they must not learn.
package deflate
