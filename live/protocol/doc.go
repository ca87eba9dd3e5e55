// Package protocol is what a client and a hub of package live say to each other:
// the envelope, the messages that begin with "$", their codecs and limits.
// docs/protocol.md states it in words.
//
// Everything here is pure: functions over bytes, without a connection, a clock or a
// goroutine. Both ends use it.
package protocol
