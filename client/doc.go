// Package client is the Go client of Tidewire's hub (package live): typed messages, calls in
// both directions, rooms that recover what was missed after a lost connection.
// docs/protocol.md states the protocol.
//
//	c, err := client.Dial(ctx, "wss://example.org/live", nil)
//	room, err := c.Room("room:7", &client.RoomOptions{Last: 50})
//	client.OnMessage(room, "chat", func(ctx context.Context, m Chat, meta client.Meta) { … })
//	room.OnGap(func(ctx context.Context, g client.Gap) { … })
//	err = room.Join(ctx)
//	pos, err := room.Send(ctx, "chat", Chat{Text: "hi"})
//
// # Coming back
//
// A Client owns at most one connection at a time. One that is lost is replaced after a random wait, its
// rooms are joined again with the positions that they have reached, and publishes that were not
// acknowledged are repeated with their ids, in their order, for as long as the server knows an id again.
// What is past that, and every call that was in flight, fails with [ErrUnknown]: it may or may not
// have happened.
//
// # Callbacks
//
// Callbacks of one room run one after another; so do those of messages and calls without a room, and those of
// state changes. Each of these has a goroutine only while there is work. Callbacks of different
// rooms run at the same time. They may block and may call the Client, with two
// exceptions: Close must be given the ctx that the callback got, and a handler that makes a call whose
// answer waits for another handler of this client waits for itself.
//
// What has arrived and waits for its callback is bounded by [Options].Inbox. Past the bound a room
// loses messages and its OnGap callbacks hear of it ([GapOverflow]) before anything later; a call
// is answered with "busy"; a message without a room is dropped, counted and logged. A callback that panics
// is logged and counted, and the client goes on.
package client
