// Package token lets the sessions of a live.Hub in by JSON Web Tokens (RFC 7519). A [Verifier] checks who
// signed a token, for whom and for how long, and turns it into a [live.Identity]; its CanJoin, CanPublish and
// CanWatch are the hooks of live.RoomOptions that do what the token's claim "rooms" says, and take tokens for
// single rooms. docs/authentication.md has the claims and how to make tokens.
//
// Which algorithms a token may be signed with follows from the keys alone, never from the token. Whatever is
// wrong with a token, its sender learns that it was refused and no more; the log has the [Refusal]. Neither
// ever holds a part of a token or of a key.
package token
