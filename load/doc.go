// Package load puts a WebSocket server under load and measures it.
//
// It speaks frames that are prepared before the run and shares no code with any
// WebSocket library: its own cost is small, and no bug of a library can hide in it.
// Every byte of every echo is compared with what was sent.
//
// In a closed loop each connection sends its next message when an earlier one has
// come back. That finds the highest rate; but while the server is stalled, nothing
// is sent, so the stall is measured once and not by everybody who would have come.
// In an open loop ([Plan.Rate]) messages are due at moments that do not
// depend on the server, and a message's latency counts from the moment at which it was
// due. What the generator itself was late by is reported beside it.
//
// In the scenario [Live] the connections are sessions of the live protocol, with frames and a
// reader of its own here: each delivery is checked at each member, by its publisher, its number
// and its data, and where the room has a history by its position.
//
// With compression ([Plan.Compression]) the frames are compressed before the run as well, and what comes
// back is inflated by klauspost/compress, not by this module's ws/deflate.
package load
