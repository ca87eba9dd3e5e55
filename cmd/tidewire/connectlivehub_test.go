package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// connected runs connect in this process, for patience at most.
func connected(t *testing.T, in io.Reader, out io.Writer, args ...string) (code int, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said bytes.Buffer
	err := run(ctx, append([]string{"connect"}, args...), stdio{in, out, &said})
	if ctx.Err() != nil {
		t.Fatal("it did not end")
	}
	return exitCode(err), said.String()
}

// TestConnectLiveCloses has a hub close the first connection with each code of docs/protocol.md.
func TestConnectLiveCloses(t *testing.T) {
	for _, tc := range []struct {
		code, args string
		status     int
		stderr     string
	}{
		{"1012", "", 0, `^$`},
		{"1001", "", 0, `^$`},
		{"1009", "", 0, `^$`},
		{"1008", "", 0, `^$`},
		{"4401", "", 0, `^$`},
		{"4401", "--token ann", 8, `: the hub does not take the token any more \(--token-file can be renewed\)\n$`},
		{"4403", "-r", 8, `^tidewire: closed by the peer: 4403 .*"as asked"\n$`},
	} {
		t.Run(tc.code+tc.args, func(t *testing.T) {
			hub := rawHub(t, func(n int, typ, room string) []string {
				switch {
				case typ == "$hello" && n == 1:
					return []string{rawWelcome}
				case typ == "$hello": // with which the room is joined again
					return []string{rawWelcome, `{"type":"$ok","room":"room:1","data":{}}`, rawIsLive, `{"type":"said","room":"room:1","data":1}`}
				case typ == "$join":
					return []string{rawJoined, rawIsLive}
				case typ == "end":
					return []string{"close " + tc.code}
				}
				return nil
			})
			var out bytes.Buffer
			args := append(strings.Fields(tc.args), "--live", hub, "-u", "-x", "/join room:1", "-x", "/cast end", "-n", "1")
			if tc.status != 0 {
				args = args[:len(args)-2]
			}
			code, stderr := connected(t, strings.NewReader(""), &out, args...)
			if code != tc.status || !regexp.MustCompile(tc.stderr).MatchString(stderr) {
				t.Errorf("exit status %d, want %d: %q", code, tc.status, stderr)
			}
			lost := regexp.MustCompile(`(?m)^\{"event":"lost",.*"reason":"closed by the peer: ` + tc.code)
			if tc.status == 0 && !lost.MatchString(out.String()) {
				t.Errorf("it does not say that the connection was lost: %q", out.String())
			}
			if came := strings.Contains(out.String(), `{"event":"message","room":"room:1","type":"said","data":1}`); came != (tc.status == 0) {
				t.Errorf("it printed %q", out.String())
			}
		})
	}
}

// TestConnectLiveGreeting has a hub say something at once, and then send away who comes: no time is too early to be heard.
func TestConnectLiveGreeting(t *testing.T) {
	hub := rawHub(t, func(n int, _, _ string) []string {
		if n > 20 {
			return []string{"close 4403"}
		}
		return []string{rawWelcome, `{"type":"hi","data":1}`}
	})
	for range 20 {
		var out bytes.Buffer
		code, stderr := connected(t, strings.NewReader(""), &out, "--live", hub, "-u", "-n", "1", "--timeout", "10s")
		if code != 0 || !strings.Contains(out.String(), `{"event":"message","type":"hi","data":1}`) {
			t.Fatalf("exit status %d: %q, %q", code, out.String(), stderr)
		}
	}
	code, stderr := connected(t, strings.NewReader(""), io.Discard, "--live", hub, "-u", "-r")
	if code != exitUnreached || !regexp.MustCompile(`: closed by the peer: 4403 .*"as asked"\n$`).MatchString(stderr) {
		t.Errorf("exit status %d: %q", code, stderr)
	}
}

// TestConnectLiveSentAway has a hub send somebody away who waits for an answer: why is told, and not that there was none.
func TestConnectLiveSentAway(t *testing.T) {
	hub := rawHub(t, func(_ int, typ, _ string) []string {
		if typ == "$hello" {
			return []string{rawWelcome}
		}
		return []string{"close 4403"}
	})
	code, stderr := connected(t, strings.NewReader(""), io.Discard, "--live", hub, "-u", "-x", "/call away")
	if want := "tidewire: closed by the peer: 4403 (private code) \"as asked\"\n"; code != 8 || stderr != want {
		t.Errorf("exit status %d, %q", code, stderr)
	}
}

// lineTold is a Writer that calls f with each line that has text in it.
type lineTold struct {
	text string
	f    func(line string)
}

func (w lineTold) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if strings.Contains(line, w.text) {
			w.f(line)
		}
	}
	return len(p), nil
}

// TestConnectLiveJoinsAgain has the hub end a membership, and who is told of that join again.
func TestConnectLiveJoinsAgain(t *testing.T) {
	joins, again := 0, make(chan struct{})
	hub := rawHub(t, func(_ int, typ, room string) []string {
		switch typ {
		case "$hello":
			return []string{rawWelcome}
		case "$join":
			joins++
			if joins == 2 {
				close(again)
				return []string{rawJoined, rawIsLive}
			}
			return []string{rawJoined, rawIsLive, `{"type":"$left","room":"room:1","data":{"reason":"be off"}}`}
		case "more":
			return []string{rawOK, `{"type":"said","room":"room:1","data":1}`}
		}
		return nil
	})
	in, typing := io.Pipe()
	defer typing.Close()
	messages := 0
	out := lineTold{"", func(line string) {
		switch {
		case strings.Contains(line, `"left"`):
			if line != `{"event":"left","room":"room:1","reason":"be off"}`+"\n" {
				t.Error(line)
			}
			if _, err := io.WriteString(typing, "/join room:1\n"); err != nil {
				t.Error(err)
			}
			select {
			case <-again: // while this is being told
			case <-time.After(patience / 2):
				t.Error("it does not join again")
			}
			go io.WriteString(typing, "/call more\n")
		case strings.Contains(line, `"message"`):
			messages++
		}
	}}
	code, stderr := connected(t, in, out, "--live", hub, "-x", "/join room:1", "-n", "2") // an answer, and a message
	if code != 0 || stderr != "" || messages != 1 {
		t.Errorf("exit status %d, %d messages, %s", code, messages, stderr)
	}
}

// TestConnectLiveHearsItself has a hub answer a publish some time before it says it in the room.
func TestConnectLiveHearsItself(t *testing.T) {
	hub := rawHub(t, func(_ int, typ, room string) []string {
		switch typ {
		case "$hello":
			return []string{rawWelcome}
		case "$join":
			return []string{`{"type":"$ok","re":ID,"room":"room:1","pos":{"epoch":"e","seq":1},"data":{"head":1}}`, `{"type":"$live","room":"room:1","pos":{"epoch":"e","seq":1}}`}
		case "said":
			return []string{`{"type":"$ok","re":ID,"room":"room:1","pos":{"epoch":"e","seq":2,"mid":"m"}}`, `{"type":"$ping","id":1}`}
		case "$ok":
			time.Sleep(50 * time.Millisecond) // the answer is told, and the input has ended
			return []string{`{"type":"said","room":"room:1","prev":1,"pos":{"seq":2},"mid":"m","data":1}`}
		}
		return nil
	})
	var out bytes.Buffer
	code, stderr := connected(t, strings.NewReader("/join room:1\n/send said 1\n"), &out, "--live", hub)
	if code != 0 || stderr != "" || !strings.Contains(out.String(), `{"event":"sent",`) || !strings.Contains(out.String(), `{"event":"message",`) {
		t.Errorf("exit status %d, %s, %s", code, out.String(), stderr)
	}
}

// TestConnectLiveSlowOutput has a hub say the most that /join asks for at once, to who does not read for a while, or for longer than a
// hub is waited for: nothing is lost.
func TestConnectLiveSlowOutput(t *testing.T) {
	for _, pause := range []time.Duration{0, 11 * time.Second} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			taken := make(chan struct{})
			hub := rawHub(t, func(_ int, typ, room string) []string {
				switch typ {
				case "$hello":
					return []string{rawWelcome}
				case "$join":
					all := []string{rawJoined}
					for range 200 {
						all = append(all, `{"type":"said","room":"room:1","data":"`+strings.Repeat("x", 60_000)+`"}`)
					}
					return append(all, rawIsLive, `{"type":"$ping","id":1}`)
				case "$ok": // to the ping: all of it has been taken
					close(taken)
				}
				return nil
			})
			messages := 0
			out := lineTold{`"event":"message"`, func(string) {
				<-taken
				if messages == 0 {
					time.Sleep(pause)
				}
				messages++
			}}
			code, stderr := connected(t, strings.NewReader("/join room:1 200\n"), out, "--live", hub)
			if code != 0 || stderr != "" || messages != 200 {
				t.Errorf("exit status %d, %d messages, %s", code, messages, stderr)
			}
		})
	}
}

// TestConnectKeepsTrying has a server take connections and answer nothing: with --reconnect it is tried again, and without it told.
func TestConnectKeepsTrying(t *testing.T) {
	for name, args := range map[string][]string{"plain": {}, "live": {"--live"}} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			args = append(args, "ws://"+ln.Addr().String()+"/live", "-u", "--connect-timeout", "250ms", "--reconnect-max", "10ms")
			code, stderr := connected(t, strings.NewReader(""), io.Discard, args...)
			if want := regexp.MustCompile(`^tidewire: ws://\S+/live: the handshake took too long \(nothing came within --connect-timeout: does a firewall drop it\?\)\n$`); code != 6 || !want.MatchString(stderr) {
				t.Errorf("exit status %d, %q", code, stderr)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			ln.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
			ended := make(chan error, 1)
			go func() {
				ended <- run(ctx, append([]string{"connect", "-r"}, args...), stdio{strings.NewReader(""), io.Discard, io.Discard})
			}()
			for range 4 { // with the one from before
				nc, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestConnectLiveLongMessage has a hub take more than hubs do by default.
func TestConnectLiveLongMessage(t *testing.T) {
	hub := rawHub(t, func(_ int, typ, _ string) []string {
		if typ == "$hello" {
			return []string{rawWelcome}
		}
		return []string{rawOK}
	})
	code, stderr := connected(t, strings.NewReader("/call long "+strings.Repeat("x", 100_000)+"\n"), io.Discard, "--live", hub)
	if code != 0 || stderr != "" {
		t.Errorf("exit status %d, %q", code, stderr)
	}
}
