package talk_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// parrot is a peer that says what it is told, twice.
type parrot struct {
	talk.Peer
	said  chan talk.Message
	ended chan struct{}
}

func (p *parrot) Send(_ context.Context, m talk.Message) error {
	p.said <- m
	return nil
}

func (p *parrot) Receive(_ context.Context, f func(talk.Message)) talk.End {
	for {
		select {
		case m := <-p.said:
			f(m)
			f(m)
		case <-p.ended:
			return talk.End{By: ws.Us, Code: ws.StatusNormalClosure}
		}
	}
}

func (p *parrot) Finish(ws.StatusCode, string) error { close(p.ended); return nil }

// TestRecording records a conversation and says it again, at its times and as fast as it goes, in both roles.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file bytes.Buffer
		r := talk.NewRecorder(&file, talk.RoleClient, "ws://host/")
		p := r.Record(&parrot{nil, make(chan talk.Message), make(chan struct{})})
		done := make(chan talk.End)
		go func() { done <- p.Receive(t.Context(), func(talk.Message) {}) }()
		said := []talk.Message{{Data: []byte("one <&> \u2028")}, {Binary: true, Data: []byte{0, 255}}, {Data: []byte{}}}
		for i, m := range said {
			time.Sleep(time.Duration(i+1) * time.Second)
			if err := p.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		p.Finish(ws.StatusNormalClosure, "")
		<-done
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(file.String(), "\n"); n != 1+1+9+1 {
			t.Fatalf("%d lines:\n%s", n, file.String())
		}
		for role, times := range map[string]int{talk.RoleClient: 1, talk.RoleServer: 2} {
			for speed, takes := range map[float64]time.Duration{1: 8 * time.Second, 2: 4 * time.Second, 0: 0} {
				in, begin, err := talk.Replay(strings.NewReader(file.String()), role, speed)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // until there is a connection
				began := time.Now()
				begin()
				begin()
				var got []talk.Message
				for item := range in.Items() {
					got = append(got, item.Message)
				}
				if in.Err() != nil || len(got) != times*len(said) {
					t.Fatal(len(got), in.Err())
				}
				if took := time.Since(began); took != takes {
					t.Errorf("%s, %v times as fast: it took %v", role, speed, took)
				}
				for i, m := range got {
					if want := said[i/times]; m.Binary != want.Binary || !bytes.Equal(m.Data, want.Data) {
						t.Errorf("%v, want %v", m, want)
					}
				}
			}
		}
		in, _, err := talk.Replay(strings.NewReader(file.String()), talk.RoleClient, 1)
		if err != nil {
			t.Fatal(err)
		}
		in.Stop()
		for range in.Items() {
			t.Error("something is said")
		}
	})
}

const head = `{"tidewire":"recording","version":1,"role":"client","target":"","began":"2026-11-28T03:00:00Z"}` + "\n"

func TestReplayDamaged(t *testing.T) {
	for file, want := range map[string]string{
		"":                                      "the recording is empty",
		"hello\n":                               "this is no recording",
		`{"a":1}` + "\n":                        "this is no recording",
		strings.Replace(head, "1", "2", 1):      "version 2",
		strings.Replace(head, "client", "x", 1): `role is "x"`,
		head + "x\n":                            "line 2 of the recording: it is not the JSON",
		head + `{"at":1,"event":"x"}`:           `line 2 of the recording: "event" is "x"`,
		head + `{"at":1,"event":"sent"}`:        `line 2 of the recording: "type" is ""`,
		head + `{"at":-1,"event":"opened"}`:     `line 2 of the recording: "at" is -1`,
		head + `{"at":1,"event":"opened"}` + "\n" + `{"at":0.5,"event":"opened"}`: `line 3 of the recording: "at" is 0.5`,
		head + `{"at":1e300,"event":"opened"}`:                                    `line 2 of the recording: "at" is 1e+300`,
	} {
		in, begin, err := talk.Replay(strings.NewReader(file), talk.RoleClient, 0)
		if err == nil {
			begin()
			for range in.Items() {
			}
			err = in.Err()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
}

// A disk that is full is told.
func TestRecorderFails(t *testing.T) {
	r := talk.NewRecorder(full{}, talk.RoleClient, "")
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "the recording cannot be written: full") {
		t.Error(err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func FuzzReplay(f *testing.F) {
	f.Add(head + `{"at":0,"event":"opened"}` + "\n" + `{"at":0.5,"event":"sent","type":"text","data":"hi"}` + "\n" + `{"at":1,"event":"closed","how":"x"}`)
	f.Add(head + `{"at":0.5,"event":"received","type":"binary","base64":"AAE="}`)
	f.Fuzz(func(t *testing.T, file string) {
		in, begin, err := talk.Replay(strings.NewReader(file), talk.RoleServer, 0)
		if err != nil {
			return
		}
		begin()
		for range in.Items() {
		}
	})
}
