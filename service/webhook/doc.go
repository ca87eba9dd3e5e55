// Package webhook asks and tells an application over HTTP about the clients of a live.Hub: who a client is, whether it may join a
// room, whether it may publish a message or what instead, and that it has gone. Each request is a POST to one URL, signed as Standard
// Webhooks has it. A [Webhook]'s methods are what live.Options, live.RoomOptions, live.OnPublish and live.Hooks take.
// docs/webhooks.md has the requests, the answers, and receivers to begin with.
//
// An application that is slow, gone or out of its mind costs nobody more than Options.Timeout, and while it is known to be down nobody
// waits at all: Options.WhenDown decides. Errors and logs hold neither secrets nor what was in a body, and not the URL.
//
// For receivers in Go there are [Verify], and [Guard], which knows again what was there before.
package webhook
