// Package talk is what tidewire connect does: a person at a terminal, or a script
// behind pipes, talks to one peer. A [Talk] moves what an [Input] yields to a
// [Peer], and what that says to a [Screen].
package talk
