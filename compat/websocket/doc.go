// Package websocket has the API of github.com/gorilla/websocket on top of
// package ws, so that a program written for gorilla moves by changing one import:
//
//	import "github.com/tidewire/tidewire/compat/websocket"
//
// It is a bridge, not a destination: new code is shorter and faster on package ws
// itself. All names, signatures and error values that gorilla v1.5.3 exports are
// here, and every call does what the same call does there, with these differences.
//
// Kinder:
//
//   - Writes may come from any number of goroutines at once. They wait for each
//     other; gorilla panics. A WriteMessage still completes a message that
//     NextWriter has open, as in gorilla, so only whole messages should be written
//     concurrently.
//   - Reading on after an error returns the same error for ever; gorilla panics at
//     the thousandth time.
//   - Behind the end of a compressed message its reader keeps returning io.EOF;
//     gorilla's turns to io.ErrClosedPipe.
//   - A client that sends frames in the same segment as its handshake is served;
//     gorilla refuses it.
//   - A connection that refuses what the peer did (a message past the read limit,
//     a breach of the protocol) stays behind Close for up to five seconds, so that
//     the close frame with the reason reaches a peer that is still sending.
//   - When both close frames have passed, the stream is closed even if the program
//     forgets Close.
//   - WriteJSON of a value that cannot be encoded sends nothing; gorilla sends an
//     empty message.
//   - The server's http.ResponseWriter may be wrapped by middleware that has an
//     Unwrap method.
//   - The handshake's answer has ten seconds to leave where HandshakeTimeout is 0.
//
// Stricter, because RFC 6455 says so:
//
//   - Text is checked to be UTF-8. A write of other text fails and leaves the
//     connection whole; a peer that sends such text is refused with 1007.
//   - Lengths that are not in their shortest form are refused.
//   - A close frame with a code that must not travel (1005, 1006, 1015, …) or with
//     a reason that is not UTF-8 is not sent; WriteControl and WriteMessage say so.
//   - A subprotocol that the client did not offer is not chosen, even if the
//     response header names it.
//   - The read limit counts bytes after inflation, too.
//   - The head of a server's answer may have 64 KiB.
//
// Otherwise different: ReadBufferSize and WriteBufferPool are accepted and have no
// effect, because an idle connection holds no buffer here; WriteBufferSize is the
// size of the frames that NextWriter sends. Compression level 0 sends plain
// frames. Of the hooks of net/http/httptrace only those of net.Dialer are called.
// Texts of errors other than CloseError may differ.
//
// As in gorilla, there is no keepalive but the program's own, and no read limit
// but SetReadLimit's.
package websocket
