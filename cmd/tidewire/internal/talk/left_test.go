package talk_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// TestNothingIsLeft talks over each kind of connection, as a client and as a server, in each way to an end; main_test.go looks at
// what goroutines are left.
func TestNothingIsLeft(t *testing.T) {
	for name, input := range map[string]func() (*talk.Input, talk.Expectation){
		"the input ends": func() (*talk.Input, talk.Expectation) {
			return talk.Pipe(strings.NewReader("one\ntwo\n"), talk.Piping{}), talk.Expectation{}
		},
		"enough has come": func() (*talk.Input, talk.Expectation) {
			return talk.Nothing(), talk.Expectation{Count: 1}
		},
		"more is there than is sent": func() (*talk.Input, talk.Expectation) {
			return talk.Pipe(strings.NewReader(strings.Repeat("line\n", 10000)), talk.Piping{}), talk.Expectation{Count: 1}
		},
	} {
		for _, network := range []string{"ws", "tcp"} {
			t.Run(network+", "+name, func(t *testing.T) {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				ours := &talk.Screen{Out: talk.NewOutlet(&paper{}), Err: &paper{}}
				target, err := talk.ParseTarget(network + "://" + ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				d := &talk.Dialer{Target: target, Tracer: &talk.Tracer{Tell: ours.Trace}}
				client := &talk.Talk{Connect: d.Connect, Screen: ours, First: []talk.Item{{Message: talk.Message{Data: []byte("first")}}}}
				client.Input, client.Expectation = input()
				stop := echoing(t, ln, network == "ws")
				err = client.Run(t.Context())
				stop()
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	t.Run("udp", func(t *testing.T) {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		target, err := talk.ParseTarget("udp://" + pc.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		run := &talk.Talk{
			Connect: (&talk.Dialer{Target: target}).Connect, Input: talk.Pipe(strings.NewReader("hi"), talk.Piping{}),
			Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
		}
		if err := run.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// echoing has who connects hear everything again, in a Talk of its own where that is by WebSocket, until stop is called.
func echoing(t *testing.T, ln net.Listener, webSocket bool) (stop func()) {
	ended := make(chan struct{})
	if !webSocket {
		go func() {
			defer close(ended)
			nc, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			io.Copy(nc, nc)
		}()
		return func() {
			ln.Close()
			<-ended
		}
	}
	l := talk.Listen(ln, ws.AcceptOptions{ConnOptions: ws.ConnOptions{QueuePolicy: ws.RefuseWrite}}, &talk.Tracer{Tell: func(string) {}})
	ctx, cancel := context.WithCancel(t.Context())
	said, saying := io.Pipe()
	run := &talk.Talk{
		Connect: l.Connect, Again: true, Input: talk.Pipe(said, talk.Piping{}), Screen: &talk.Screen{Out: saying, Err: &bytes.Buffer{}},
	}
	go func() {
		defer close(ended)
		if err := run.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return func() {
		cancel()
		said.Close()
		saying.Close()
		<-ended
		l.Close()
	}
}
