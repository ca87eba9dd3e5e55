package python

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// TestRules plays a hub by hand: messages that come twice, a hole, messages between a join and its reply, presence
// that misses a version, a ping, a drain. Each is a rule of docs/protocol.md for clients.
func TestRules(t *testing.T) {
	python := interpreter(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conns := make(chan *ws.Conn, 2)
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"tidewire.v1.json"}}); err == nil {
			conns <- c
			<-done
		}
	}))
	defer server.Close()
	defer close(done)

	cmd := exec.CommandContext(ctx, python, "-u", "-B", "testdata/rules.py", "ws"+strings.TrimPrefix(server.URL, "http"))
	cmd.Env = append(os.Environ(), "PYTHONPATH=.")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var c *ws.Conn
	next := func() {
		select {
		case c = <-conns:
		case <-ctx.Done():
			t.Fatalf("no connection\n%s", out.String())
		}
	}
	send := func(format string, args ...any) {
		t.Helper()
		if err := c.Write(ctx, ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	type message struct {
		Type, Room string
		ID, Re     int
		Pos        map[string]any
		Data       struct {
			Join []struct {
				Room     string
				Pos      map[string]any
				Presence bool
			}
		}
	}
	read := func(typ string) (m message) {
		t.Helper()
		_, raw, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &m); err != nil || m.Type != typ {
			t.Fatalf("got %s, want %s (%v)", raw, typ, err)
		}
		return m
	}
	position := func(got map[string]any, seq int, mid string) {
		t.Helper()
		if want := map[string]any{"epoch": "e", "seq": float64(seq), "mid": mid}; !reflect.DeepEqual(got, want) {
			t.Errorf("joins from %v, want %v", got, want)
		}
	}

	next()
	send(`{"type":"$ok","re":%d,"data":{"session":"s1","dedupe":60000,"backoff":[10,20]}}`, read("$hello").ID)
	send(`{"type":"$ok","re":%d,"room":"room:1","pos":{"epoch":"e","seq":5},"data":{"recovered":false,"head":5}}`, read("$join").ID)
	send(`{"type":"n","room":"room:1","prev":5,"pos":{"seq":6},"mid":"m6","data":"first"}`)
	send(`{"type":"n","room":"room:1","prev":5,"pos":{"seq":6},"mid":"m6","data":"first again"}`)
	send(`{"type":"n","room":"room:1","prev":8,"pos":{"seq":9},"mid":"m9","data":"behind a hole"}`)
	again := read("$join")
	position(again.Pos, 6, "m6")
	send(`{"type":"n","room":"room:1","prev":6,"pos":{"seq":8},"mid":"m8","data":"before the reply"}`)
	send(`{"type":"$ok","re":%d,"room":"room:1","pos":{"epoch":"e","seq":6,"mid":"m6"},"data":{"recovered":true,"head":9}}`, again.ID)
	send(`{"type":"n","room":"room:1","prev":6,"pos":{"seq":8},"mid":"m8","data":"second"}`)
	send(`{"type":"n","room":"room:1","prev":8,"pos":{"seq":9},"mid":"m9","data":"third"}`)
	send(`{"type":"$live","room":"room:1","pos":{"epoch":"e","seq":9,"mid":"m9"}}`)
	send(`{"type":"$presence","room":"room:1","data":{"version":1,"users":[{"user":"ann","sessions":[{"session":"s1"}]}]}}`)
	send(`{"type":"$presence","room":"room:1","data":{"version":2,"join":[{"user":"bob","session":"s2"}],"leave":[{"user":"ann","session":"s1"}]}}`)
	send(`{"type":"$presence","room":"room:1","data":{"version":4,"join":[{"user":"eve","session":"s4"}]}}`)
	send(`{"type":"$ok","re":%d,"room":"room:1","data":{"version":4,"users":[{"user":"cy","sessions":[{"session":"s3"}]}]}}`, read("$presence").ID)
	send(`{"type":"$ping","id":7}`)
	if re := read("$ok").Re; re != 7 {
		t.Errorf("the ping was answered with re %d", re)
	}
	send(`{"type":"$drain","data":{"backoff":[400,400]}}`)
	drained := time.Now()
	c.Close(ws.StatusServiceRestart, "")
	next()
	if waited := time.Since(drained); waited < 400*time.Millisecond {
		t.Errorf("came back after %v", waited)
	}
	hello := read("$hello")
	if len(hello.Data.Join) != 1 || hello.Data.Join[0].Room != "room:1" || !hello.Data.Join[0].Presence {
		t.Fatalf("joins in $hello: %+v", hello.Data.Join)
	}
	position(hello.Data.Join[0].Pos, 9, "m9")
	send(`{"type":"$ok","re":%d,"data":{"session":"s5"}}`, hello.ID)
	send(`{"type":"$ok","room":"room:1","pos":{"epoch":"e","seq":9,"mid":"m9"},"data":{"recovered":true,"head":9}}`)
	send(`{"type":"n","room":"room:1","prev":9,"pos":{"seq":10},"mid":"m10","data":"fourth"}`)
	send(`{"type":"over"}`)
	if _, _, err := c.Read(ctx); ws.CloseStatus(err) != ws.StatusNormalClosure {
		t.Errorf("the client ended with %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	compare(t, "output", strings.Split(strings.TrimSpace(out.String()), "\n"), []string{
		"message first", "message second", "message third", "present ['ann']", "present ['bob']", "present ['cy']", "message fourth",
	})
}
