package api_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(checked{m}) }

// checked runs the tests, and then compares all that they have seen with the file openapi.yaml.
type checked struct{ m *testing.M }

func (c checked) Run() int {
	code := c.m.Run()
	var faults []string
	for _, fault := range described().complain(code == 0 && wholeRun()) {
		faults = append(faults, "openapi.yaml: "+fault)
	}
	if len(faults) > 0 {
		fmt.Fprintln(os.Stderr, strings.Join(faults, "\n"))
		return 1
	}
	return code
}

// wholeRun reports whether all tests were run.
func wholeRun() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return true
}

const key, oldKey = "0123456789abcdef", "fedcba9876543210"

// desk is the API of a hub, which serves clients as well.
type desk struct {
	t   *testing.T
	hub *live.Hub
	url string
}

func open(t *testing.T) *desk {
	hub := live.NewHub(&live.Options{Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
		return live.Identity{User: c.Token, Info: map[string]string{"name": strings.ToUpper(c.Token)}}, nil
	}})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 10, Presence: true})
	hub.ConfigureRooms("loose:*", live.RoomOptions{})
	h, err := api.New(hub, key, oldKey)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", h)
	mux.Handle("/live", hub)
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		hub.Close()
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &desk{t, hub, s.URL}
}

// ask sends a request with a key, and returns the answer.
func (d *desk) ask(method, path, body string, more ...string) (int, http.Header, string) {
	d.t.Helper()
	r, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	for i := 0; i < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	p, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	described().check(r, []byte(body), resp.StatusCode, resp.Header, p)
	return resp.StatusCode, resp.Header, string(p)
}

// want asks, and wants an answer that has at least what is in this JSON.
func (d *desk) want(status int, method, path, body, answer string) map[string]any {
	d.t.Helper()
	code, _, text := d.ask(method, path, body)
	var got, want any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		d.t.Fatalf("%s %s: %d %q: %v", method, path, code, text, err)
	}
	if err := json.Unmarshal([]byte(answer), &want); err != nil {
		d.t.Fatal(err)
	}
	if code != status || !holds(got, want) {
		d.t.Fatalf("%s %s: %d %s, want %d %s", method, path, code, text, status, answer)
	}
	return got.(map[string]any)
}

// holds reports whether got has all that want has; lists have the same length.
func holds(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for k, v := range want {
			ok = ok && holds(g[k], v)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return false
		}
		for i := range want {
			ok = ok && holds(g[i], want[i])
		}
		return ok
	}
	return reflect.DeepEqual(got, want)
}

// join has a user join a room, and returns what comes there.
func (d *desk) join(user, room string) (*client.Client, chan string) {
	d.t.Helper()
	c, err := client.Dial(d.t.Context(), "ws"+strings.TrimPrefix(d.url, "http")+"/live", &client.Options{
		Token: func(context.Context, client.Reason) (string, error) { return user, nil },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close(context.Background()) })
	r, err := c.Room(room, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	came := make(chan string, 100)
	client.OnMessage(r, "n", func(_ context.Context, data any, m client.Meta) { came <- fmt.Sprint(data, " ", m.From) })
	before := d.members(room)
	if err := r.Join(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	for d.members(room) == before { // the reply may be there a moment sooner
		runtime.Gosched()
	}
	return c, came
}

// members returns how many a room has.
func (d *desk) members(room string) int {
	for _, s := range d.hub.States() {
		if s.Name == room {
			return s.Members
		}
	}
	return 0
}
