// Package live is what one writes on top of WebSocket: typed messages
// {"type": …, "data": …} in both directions, requests with replies, rooms with
// history, recovery after a lost connection, and rules for the slow and the rude.
//
// A [Hub] is an http.Handler. Each connection is a [Session], which may be in any
// number of rooms. What is stored, and how nodes hear of each other, is a [Broker]'s:
// [Memory] is the one that is used unless another is given.
//
//	hub := live.NewHub(nil)
//	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100})
//	http.Handle("/live", hub)
//
// A client then sends {"type":"$join","room":"room:7"} and
// {"type":"chat","room":"room:7","data":"hi"}. docs/protocol.md has all of it.
//
// In a room with history a member gets the accepted messages in order, once each, or
// is told of a gap before anything later. docs/guarantees.md says what is promised.
package live
