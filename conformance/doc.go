// Package conformance tests WebSocket implementations: servers and clients,
// in any language, over TCP, TLS, Unix sockets or memory.
//
// Every rule of RFC 6455 and RFC 7692 that shows on the wire is a [Case]. A
// case plays one connection byte by byte and judges what comes back. [Cases]
// lists them; a [Runner] plays them:
//
//	results, err := (&conformance.Runner{}).RunServer(ctx, "ws://127.0.0.1:9001/", "6.*")
//	conformance.Print(os.Stdout, results)
//
// The server under test must send every text and binary message back as it
// came, must allow messages of 16 MiB and, for the compression cases, must have
// permessage-deflate on. A client under test dials the runner at
// ws://…/case/ID and echoes in the same way until the connection ends.
//
// The numbers of groups 1 to 7, 9, 10, 12 and 13 cover the ground of the same
// groups of the Autobahn suite, so that results can be compared. Groups from 20
// on are this package's own: rules that the suite does not look at.
//
// The package stands alone. It shares no code with any WebSocket library, so
// that a fault in one cannot hide itself here.
package conformance
