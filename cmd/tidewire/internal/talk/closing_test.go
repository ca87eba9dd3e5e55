package talk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// told is a Talk that says the text and is over.
func told(p talk.Peer, text string) (run *talk.Talk, out *paper) {
	out = &paper{}
	return &talk.Talk{
		Connect: func(context.Context) (talk.Peer, error) { return p, nil },
		Input:   talk.Pipe(strings.NewReader(text), talk.Piping{}),
		Screen:  &talk.Screen{Out: out, Err: &paper{}},
	}, out
}

// paired is a Peer, and the server that it talks with.
func paired(t *testing.T) (talk.Peer, *ws.Conn) {
	t.Helper()
	client, server := wstest.Pair(t, &wstest.PairOptions{
		Client: ws.ConnOptions{QueuePolicy: ws.RefuseWrite}, ClientPipe: wstest.PipeOptions{Buffer: 8 << 10},
	})
	p, err := talk.WebSocket(client, "")
	if err != nil {
		t.Fatal(err)
	}
	return p, server
}

// All that was said is taken, however slowly, before the connection is closed.
func TestFinishBehindASlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server := paired(t)
		text := strings.Repeat(strings.Repeat("x", 10000)+"\n", 40)
		got := make(chan string, 1)
		go func() {
			var b bytes.Buffer
			for {
				time.Sleep(time.Second)
				_, m, err := server.Read(t.Context())
				if err != nil {
					got <- b.String()
					return
				}
				b.Write(append(m, '\n'))
			}
		}()
		run, _ := told(p, text)
		if err := run.Run(t.Context()); err != nil {
			t.Error(err)
		}
		if s := <-got; s != text {
			t.Errorf("%d of %d bytes", len(s), len(text))
		}
	})
}

// Who closes has our answer before a talk is over, for the process may be over then, too; and who does not take it is not waited for.
func TestCloseIsAnswered(t *testing.T) {
	for delay, want := range map[time.Duration]time.Duration{100 * time.Millisecond: 700 * time.Millisecond, time.Hour: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			client, server := wstest.Pair(t, &wstest.PairOptions{ // a byte at a time
				ClientPipe: wstest.PipeOptions{Buffer: 1, Faults: wstest.Faults{Chunk: 1, Delay: delay}},
			})
			p, err := talk.WebSocket(client, "")
			if err != nil {
				t.Fatal(err)
			}
			closed := make(chan error, 1)
			go func() { closed <- server.Close(ws.StatusNormalClosure, "") }()
			run, _ := told(p, "")
			run.Input = talk.Nothing()
			began := time.Now()
			if err := run.Run(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took.Round(10*time.Millisecond) != want {
				t.Errorf("a byte in %v: it took %v, want %v", delay, took, want)
			}
			if err := <-closed; err != nil && delay < time.Second {
				t.Error(err)
			}
		})
	}
}

// Who takes nothing has not been told all.
func TestFinishBehindAStuckPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := paired(t)
		run, _ := told(p, strings.Repeat("x", 10000))
		if err := run.Run(t.Context()); !errors.Is(err, talk.ErrBroken) || !strings.Contains(err.Error(), "may not have all of the input") {
			t.Error(err)
		}
	})
}

// What is cut off is no good end.
func TestFinishWhileThePeerTalks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server := paired(t)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for server.Write(t.Context(), ws.Text, []byte("and then")) == nil { // and does not read
				time.Sleep(time.Second)
			}
			server.CloseNow()
		}()
		run, out := told(p, "tell me\n")
		err := run.Run(t.Context())
		if !errors.Is(err, talk.ErrBroken) || !strings.Contains(err.Error(), "before the peer had finished") {
			t.Errorf("%v, %q", err, out.String())
		}
		<-ended
	})
}

// A stream is heard to its end, however long that takes, where it does not fall silent.
func TestFinishedStream(t *testing.T) {
	for silence, want := range map[time.Duration]int{4 * time.Second: 60, time.Hour: 0} {
		synctest.Test(t, func(t *testing.T) {
			nc, server := wstest.Pipe()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer server.Close()
				io.Copy(io.Discard, server)
				for range 60 {
					time.Sleep(silence)
					if _, err := io.WriteString(server, "and then\n"); err != nil {
						return
					}
				}
			}()
			run, out := told(talk.Stream(nc, "", false), "tell me\n")
			err := run.Run(t.Context())
			if n := strings.Count(out.String(), "\n"); err != nil || n != want {
				t.Errorf("silent for %v: %v, %d lines", silence, err, n)
			}
			<-ended
		})
	}
}
