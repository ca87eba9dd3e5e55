//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// Each cause of closing has a counter, and it is the one that counts.
func TestStatsCountEachCause(t *testing.T) {
	read := func(c *ws.Conn) { c.Read(context.Background()) }
	short := ws.ConnOptions{CloseTimeout: 10 * time.Millisecond}
	raw := func(o ws.ConnOptions, wire ...[]byte) func(t *testing.T) {
		return func(t *testing.T) {
			nc, c := server(t, "memory", o)
			go func() {
				for _, p := range wire {
					nc.Write(p)
				}
			}()
			read(c)
		}
	}
	tiny := short
	tiny.MaxMessage = 10
	rate := short
	rate.ControlRate = 1
	poor := short
	poor.Budget = ws.NewBudget(1)
	quick := short
	quick.MessageTimeout = time.Millisecond
	silent := short
	silent.PingInterval = time.Millisecond
	for _, cause := range []struct {
		name string
		of   func(ws.Counters) int64
		by   func(ws.Counters) int64
		do   func(t *testing.T)
	}{
		{"us", func(s ws.Counters) int64 { return s.ByUs }, nil, func(t *testing.T) {
			_, c := server(t, "memory", short)
			c.CloseNow()
		}},
		{"peer", func(s ws.Counters) int64 { return s.ByPeer }, nil, raw(short, rawFrame(true, frame.Close, nil))},
		{"network", func(s ws.Counters) int64 { return s.ByNetwork }, nil, func(t *testing.T) {
			nc, c := server(t, "memory", short)
			nc.Close()
			read(c)
		}},
		{"too big", func(s ws.Counters) int64 { return s.TooBig }, byPolicy, raw(tiny, rawFrame(true, frame.Text, make([]byte, 11)))},
		{"protocol", func(s ws.Counters) int64 { return s.Protocol }, byPolicy, raw(short, []byte{0x83, 0x80, 0, 0, 0, 0})},
		{"UTF-8", func(s ws.Counters) int64 { return s.InvalidUTF8 }, byPolicy, raw(short, rawFrame(true, frame.Text, []byte{0xff}))},
		{"flood", func(s ws.Counters) int64 { return s.ControlFlood }, byPolicy, raw(rate, bytes.Repeat(rawFrame(true, frame.Pong, nil), 1000))},
		{"budget", func(s ws.Counters) int64 { return s.Budget }, byPolicy, raw(poor, rawFrame(true, frame.Binary, make([]byte, 100_000)))},
		{"message stuck", func(s ws.Counters) int64 { return s.MessageStuck }, byPolicy, raw(quick, rawFrame(true, frame.Text, []byte("xxxx"))[:8])},
		{"silent", func(s ws.Counters) int64 { return s.Silent }, func(s ws.Counters) int64 { return s.ByNetwork }, raw(silent)},
		{"write stuck", func(s ws.Counters) int64 { return s.WriteStuck }, func(s ws.Counters) int64 { return s.ByNetwork }, func(t *testing.T) {
			o := short
			o.WriteTimeout = time.Millisecond
			_, c := server(t, "memory", o)
			c.Write(context.Background(), ws.Binary, make([]byte, 1<<20))
		}},
		{"slow peer", func(s ws.Counters) int64 { return s.SlowPeer }, byPolicy, func(t *testing.T) {
			o := short
			o.WriteQueue = 1000
			_, c := server(t, "memory", o)
			c.Attach(&events{})
			for c.Write(context.Background(), ws.Binary, make([]byte, 10_000)) == nil {
			}
		}},
		{"panic", func(s ws.Counters) int64 { return s.Panic }, byPolicy, func(t *testing.T) {
			a, b := wstest.Pipe()
			c := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{Logger: slog.New(slog.DiscardHandler)}})
			closed := make(chan error, 1)
			c.Attach(&events{opened: func(*ws.Conn) { panic("x") }, closed: func(_ *ws.Conn, err error) { closed <- err }})
			<-closed
			a.Close()
		}},
		{"bomb", func(s ws.Counters) int64 { return s.TooBig }, byPolicy, func(t *testing.T) {
			client, srv := pair(t, "memory", ws.ConnOptions{Compression: &deflate.Options{}})
			go client.Write(context.Background(), ws.Binary, make([]byte, 8<<20))
			read(srv)
		}},
	} {
		t.Run(cause.name, func(t *testing.T) {
			before := ws.Stats()
			cause.do(t)
			after := ws.Stats()
			if cause.of(after) <= cause.of(before) {
				t.Errorf("not counted: %+v", after)
			}
			if cause.by != nil && cause.by(after) <= cause.by(before) {
				t.Errorf("not counted by who: %+v", after)
			}
			if after.Opened <= before.Opened {
				t.Errorf("Opened went from %d to %d", before.Opened, after.Opened)
			}
		})
	}
}

func byPolicy(s ws.Counters) int64 { return s.ByPolicy }
