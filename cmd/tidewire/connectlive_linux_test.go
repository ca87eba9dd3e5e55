package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/client"
)

// showsAll is shows, for what comes in any order.
func (s *pty) showsAll(texts ...string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("it shows %q", texts), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		shown, end := s.shown.String(), 0
		for _, text := range texts {
			i := strings.Index(shown, text)
			if i < 0 {
				return fmt.Errorf("it shows %q", shown)
			}
			end = max(end, i+len(text))
		}
		s.shown.Reset()
		s.shown.WriteString(shown[end:])
		return nil
	})
}

// TestConnectLiveTerminal has a person in a room, with somebody else, whose connection is cut off and comes back.
func TestConnectLiveTerminal(t *testing.T) {
	peers := connectPeers(t)
	ann, err := client.Dial(t.Context(), "ws://"+peers+"/live", &client.Options{Token: func(context.Context, client.Reason) (string, error) { return "ann", nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Close(t.Context())
	room, err := ann.Room("room:terminal", nil)
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		t.Helper()
		if _, err := room.Send(t.Context(), "chat", map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
	}
	say("before")

	s := inTerminal(t, "connect", "--live", "ws://"+peers+"/live")
	before := s.state()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.shows("connected to ")
	s.press("/jo\troom:terminal 5\r")
	s.showsAll(" ann chat", `"before"`, "* room:terminal: joined, at #", "* room:terminal: 1 session: session ", " (you)")
	if err := room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.shows(`* room:terminal: 2 sessions; came: ann {"colour":"red"}`)
	s.press("/send note {\"n\":1}\r")
	s.shows("< room:terminal #")
	s.shows(" note")
	s.shows("1")
	s.press("said as a note\r")
	s.shows(" note")
	s.shows(`"said as a note"`)
	s.press("/call sum [20,22]\r")
	s.shows("< the answer to sum:")
	s.shows("42")
	s.press("/join room:closed\r")
	s.shows("* /join: join room:closed: forbidden: it is closed")
	s.press("/cast cut\r")
	s.shows("* the connection broke: ")
	s.showsAll("* connected again", "* room:terminal: joined again, at #", "; came: session ") // which is a new one
	say("after")
	s.shows(`"after"`)
	s.press("/who\r")
	s.shows("* room:terminal: 2 sessions: ")
	if err := room.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.shows(`left: ann`)
	s.press("/history 5 1\r")
	s.shows("* room:terminal: nothing is stored before #1")
	s.press("/in quiet:1\r/send chat 1\r")
	s.shows("* quiet:1: sent")
	s.press("/in\r/send poke\r")
	s.showsAll("< poked", "* the hub has taken poke")
	s.press("/leave room:terminal\r")
	s.shows("* room:terminal: left")
	s.press("/help\r")
	s.shows("/history [COUNT [BEFORE]]")
	s.press("\x04")
	s.ends(before, 0)
}
