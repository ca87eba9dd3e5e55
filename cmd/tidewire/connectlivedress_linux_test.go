package main

import (
	"strings"
	"testing"
)

// dress is what would do something to a terminal, in JSON: take off, ring, run backwards, and say something of its own in a line.
const dress = `x\u001b[7m\u0007\u009b7m\u202e\u2028\r\nFAKED`

// dressedHub is for rawHub, and says that wherever there is a place for it.
func dressedHub(_ int, typ, room string) []string {
	in := `"room":"` + room + `"`
	switch typ {
	case "$hello":
		return []string{`{"type":"$ok","re":ID,"data":{"session":"s` + dress + `","user":"` + dress + `"}}`}
	case "$join":
		return []string{
			`{"type":"$ok","re":ID,` + in + `,"pos":{"epoch":"e","seq":1},"data":{"head":2}}`,
			`{"type":"$presence",` + in + `,"data":{"version":1,"users":[{"user":"` + dress + `","sessions":[{"session":"a","info":{"` + dress + `":"` + dress + `"}}]},{"user":"","sessions":[{"session":"` + dress + `"}]}]}}`,
			`{"type":"$gap",` + in + `,"pos":{"epoch":"e","seq":4},"data":{"after":2,"reason":"` + dress + `"}}`,
			`{"type":"said",` + in + `,"pos":{"seq":5},"prev":4,"mid":"m","data":{"` + dress + `":"` + dress + `"}}`,
			"{\"type\":\"said\"," + in + ",\"pos\":{\"seq\":6},\"prev\":5,\"mid\":\"m\",\"data\":\"\u009b7m\u202e\u2028\u0085FAKED\x7f\"}",
			`{"type":"$live",` + in + `,"pos":{"epoch":"e","seq":6}}`,
		}
	case "refuse":
		return []string{`{"type":"$error","re":ID,"data":{"code":"` + dress + `","message":"` + dress + `"}}`}
	case "out":
		return []string{`{"type":"$left","room":"room:1","data":{"reason":"` + dress + `"}}`, rawOK}
	case "cast":
		return []string{`{"type":"$error","room":"room:1","mid":"m","data":{"code":"` + dress + `","message":"` + dress + `"}}`}
	}
	return nil
}

// undressed fails where something of dress stands in what a terminal has shown.
func undressed(t *testing.T, shown string) {
	t.Helper()
	for _, bad := range []string{"\x1b[7m", "\a", "\u009b", "\u202e", "\u2028", "\u0085", "\x7f", "\nFAKED", "\rFAKED"} {
		if strings.Contains(shown, bad) {
			t.Errorf("%q came to the terminal: %q", bad, shown)
		}
	}
}

// TestConnectLiveDress has a hub dress up what a terminal shows: to a person, who sees all of it, and as a script's last words.
func TestConnectLiveDress(t *testing.T) {
	hub := rawHub(t, dressedHub)
	s := inTerminal(t, "connect", "--live", hub)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.shows("connected to ")
	s.press("/join room:1\r")
	s.showsAll("joined", "room:1 #6 said", "2 sessions", "are missing")
	s.press("/who\r")
	s.shows("2 sessions")
	s.press("/cast cast\r")
	s.shows("server refused a message")
	s.press("/call refuse\r")
	s.shows("/call: call refuse: ")
	s.press("/call out\r")
	s.showsAll("the answer to out", "left, by the hub")
	s.press("\x04")
	s.shows("* closed")
	s.cmd.Wait()
	undressed(t, s.all())

	s = inTerminal(t, "connect", "--live", hub, "-u", "-x", "/join room:1", "-x", "/cast cast", "-x", "/call refuse")
	before := s.state()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.ends(before, 8)
	s.shows("tidewire: /call: call refuse: ")
	undressed(t, s.all())
}
