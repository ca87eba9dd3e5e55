// Package wstest is the test kit for code that speaks WebSocket: pairs of
// connections in memory, a listener without sockets, and a byte stream whose
// network misbehaves on demand.
//
// Everything in it works inside a testing/synctest bubble. Nothing blocks on a
// mutex, no goroutine is started behind the caller's back, and all waiting is
// for a condition variable, a channel or a timer of the value's own, so the
// bubble sees it as durably blocked and virtual time moves on. Create a value in
// the bubble that uses it.
//
// A test of an hour of silence, which takes no time:
//
//	synctest.Test(t, func(t *testing.T) {
//		client, server := wstest.Pair(t, nil)
//		go func() {
//			for range client.Messages(t.Context()) { // answers pings
//			}
//		}()
//		time.AfterFunc(time.Hour, func() {
//			wstest.Stream(client).SetFaults(wstest.Faults{Cut: wstest.CutDrop})
//		})
//		_, _, err := server.Read(t.Context()) // ws.ErrSilent, a minute after the hour
//	})
package wstest
