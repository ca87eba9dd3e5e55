// Package python has a client for hubs in Python, and the test that runs it.
package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
)

// interpreter is the first python3 on the PATH that has the module websockets.
func interpreter(t *testing.T) string {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		name := filepath.Join(dir, "python3")
		if exec.CommandContext(t.Context(), name, "-c", "import websockets").Run() == nil {
			return name
		}
	}
	t.Fatal("no python3 on the PATH has the module websockets (Debian's python3-websockets, which ./test at the top of the repository installs)")
	return ""
}

// TestClientIsSmall keeps the claim of README.md: blank lines aside, less than 300 lines.
func TestClientIsSmall(t *testing.T) {
	source, err := os.ReadFile("tidewire_client.py")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(source)) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	if n >= 300 {
		t.Errorf("%d lines", n)
	}
}

// TestStory runs a script on the client against a hub that cuts its connection while others publish, and
// compares everything that the script saw.
func TestStory(t *testing.T) {
	python := interpreter(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()

	hub := live.NewHub(&live.Options{
		BackoffMin: 20 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			if c.Token != "ann's" {
				return live.Identity{}, errors.New("no token of ours")
			}
			return live.Identity{User: "ann", Expires: time.Now().Add(2 * time.Second)}, nil
		},
	})
	defer hub.Close()
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 50})
	hub.ConfigureRooms("secret:*", live.RoomOptions{CanJoin: func(context.Context, *live.Session, string, string) error {
		return errors.New("nobody")
	}})
	var attempts atomic.Int32
	live.OnPublish(hub, "room:*", func(ctx context.Context, p *live.Publication[string]) error {
		if p.Data == "cut me" && attempts.Add(1) == 1 {
			p.Session.Conn().CloseNow()
		}
		return nil
	})
	live.Handle(hub, "sum", func(_ context.Context, _ *live.Session, n []int) (sum int, _ error) {
		for _, n := range n {
			sum += n
		}
		return sum, nil
	})
	live.Handle(hub, "ask-me", func(ctx context.Context, s *live.Session, _ any) (string, error) {
		return live.Call[string, string](ctx, s, "confirm", "sure?")
	})
	published := 0 // the client has one call under way at a time
	live.Handle(hub, "cut", func(_ context.Context, s *live.Session, n int) (int, error) {
		s.Conn().CloseNow()
		for range n {
			published++
			if _, err := hub.Room("room:7").Publish(ctx, "note", fmt.Sprint("h", published)); err != nil {
				t.Error(err)
			}
		}
		return n, nil
	})
	live.Handle(hub, "send-me-away", func(_ context.Context, s *live.Session, _ any) (int, error) { return 0, s.Close("enough") })
	server := httptest.NewServer(hub)
	defer server.Close()

	script, err := filepath.Abs("testdata/story.py")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(filepath.Dir(script))
	cmd := exec.CommandContext(ctx, python, "-u", "-B", script, "ws"+strings.TrimPrefix(server.URL, "http"))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+folder)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v (%v)\n%s%s", err, ctx.Err(), stdout.String(), stderr.String())
	}
	// The messages of the room are compared apart: they come when they come between the rest.
	var messages, rest []string
	for line := range strings.Lines(stdout.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "message ") || strings.HasPrefix(line, "gap ") {
			messages = append(messages, line)
		} else {
			rest = append(rest, line)
		}
	}
	want := []string{"message p0", "message p1", "message p2"}
	for i := range 20 {
		want = append(want, fmt.Sprint("message h", i+1))
	}
	want = append(want, "message cut me", "gap evicted")
	for i := 50; i < 100; i++ {
		want = append(want, fmt.Sprint("message h", i+1))
	}
	compare(t, "messages", messages, want)
	compare(t, "events", rest, []string{
		"forged token: unauthorized", "user ann", "secret: forbidden", "positions rise True", "sum 6", "asked sure? yes",
		"no such call: unknown-type", "cut: True", "stored once True", "renewed 4", "sent away: 4403 enough",
	})
	if n := attempts.Load(); n < 3 {
		t.Errorf("the message whose answer was lost came %d times, want 3: sent, repeated, and asked for again", n)
	}
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s:\n%s\n\nwant\n%s", what, g, w)
	}
}
