package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/api"
)

const key = "0123456789abcdef"

// TestMain is also the relay that a test starts and kills.
func TestMain(m *testing.M) {
	if os.Getenv("OUTBOX_KEY") != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// serve is a hub with its API, and what stands before it.
func serve(t *testing.T, o *live.Options, before func(http.Handler) http.Handler) (*live.Hub, string) {
	hub := live.NewHub(o)
	hub.ConfigureRooms("order:*", live.RoomOptions{History: 100})
	h, err := api.New(hub, key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(before(h))
	t.Cleanup(func() {
		s.Close()
		hub.Close()
	})
	return hub, s.URL
}

// history returns the data of all that a room has.
func history(t *testing.T, hub *live.Hub, room string) []string {
	t.Helper()
	page, err := hub.Room(room).History(t.Context(), 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range page.Messages {
		all = append(all, string(m.Data))
	}
	return all
}

// A relay that is killed when its messages are published, and before it knows that they are, loses none and doubles none.
func TestKilledBetweenPublishAndMark(t *testing.T) {
	name := filepath.Join(t.TempDir(), "outbox")
	box, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const many = 25
	var want [2][]string
	place := func(from, to int) {
		for i := from; i < to; i++ {
			if err := box.Append(fmt.Sprint("order:", i%2), "placed", i); err != nil {
				t.Fatal(err)
			}
			want[i%2] = append(want[i%2], strconv.Itoa(i))
		}
	}
	started := make(chan *exec.Cmd, 1)
	killed := make(chan struct{}, 1)
	var kills atomic.Int32
	kills.Store(3)
	hub, url := serve(t, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r) // it is published
			if kills.Add(-1) >= 0 {
				relay := <-started
				relay.Process.Kill()
				killed <- struct{}{}
				<-r.Context().Done() // and nobody hears of it
				return
			}
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
		})
	})
	start := func() *exec.Cmd {
		relay := exec.Command(os.Args[0], "relay", name, url)
		relay.Env = append(os.Environ(), "OUTBOX_KEY="+key)
		relay.Stderr = os.Stderr
		if err := relay.Start(); err != nil {
			t.Fatal(err)
		}
		return relay
	}
	for n := range 3 {
		place(n*many, (n+1)*many) // those before are in it too: nobody has marked them
		relay := start()
		started <- relay
		<-killed
		relay.Wait()
		if rows, _, err := box.Claim(t.Context(), 1000); err != nil || len(rows) != (n+1)*many {
			t.Fatalf("%d rows wait, %v", len(rows), err)
		}
	}
	relay := start()
	defer func() {
		relay.Process.Kill()
		relay.Wait()
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		rows, _, err := box.Claim(t.Context(), 1000)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d rows wait, %v", len(rows), err)
		}
		if len(rows) == 0 {
			break
		}
	}
	for n, room := range []string{"order:0", "order:1"} {
		if got := history(t, hub, room); !slices.Equal(got, want[n]) {
			t.Errorf("%s: %v, want %v", room, got, want[n])
		}
	}
}

// busy is a broker that refuses a message once.
type busy struct {
	live.Broker
	refuse  string
	refused atomic.Bool
}

func (b *busy) Publish(p *live.Publish, done func(live.Stored, error)) {
	if string(p.Message.Data) == b.refuse && !b.refused.Swap(true) {
		done(live.Stored{}, live.ErrUnavailable)
		return
	}
	b.Broker.Publish(p, done)
}

// What fails in a batch holds up its room until it is stored, and no other; what can never be stored is given up.
func TestPartialFailure(t *testing.T) {
	memory := live.NewMemory(nil)
	defer memory.Close()
	hub, url := serve(t, &live.Options{Broker: &busy{Broker: memory, refuse: "1"}}, func(next http.Handler) http.Handler { return next })
	box, err := OpenFile(filepath.Join(t.TempDir(), "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	for i, room := range []string{"order:0", "order:0", "order:0", "order:1", "nowhere", "order:1"} {
		if err := box.Append(room, "placed", i); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	relay := &Relay{Outbox: box, URL: url + "/api/publish", Key: key, Client: client, Log: slog.New(slog.DiscardHandler)}
	for _, want := range []struct {
		n     int
		again bool
		first []string
	}{{4, true, []string{"0"}}, {2, false, []string{"0", "1", "2"}}, {0, false, []string{"0", "1", "2"}}} {
		n, again, err := relay.Once(context.Background())
		if n != want.n || again > 0 != want.again || err != nil {
			t.Fatalf("%d, %v, %v, want %v", n, again, err, want)
		}
		if got := history(t, hub, "order:0"); !slices.Equal(got, want.first) {
			t.Errorf("%v, want %v", got, want.first)
		}
		if got := history(t, hub, "order:1"); !slices.Equal(got, []string{"3", "5"}) {
			t.Error(got)
		}
	}
	relay.Key = "another" + key
	if err := box.Append("order:1", "placed", 6); err != nil {
		t.Fatal(err)
	}
	if n, _, err := relay.Once(context.Background()); n != 0 || err == nil {
		t.Errorf("with a wrong key: %d, %v", n, err)
	}
	if rows, _, err := box.Claim(t.Context(), 9); len(rows) != 1 || err != nil {
		t.Errorf("%v, %v", rows, err)
	}
}

// A line that a crash has cut off is none, and does no harm to the next.
func TestCutLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "outbox")
	if err := os.WriteFile(name, []byte("\n{\"id\":1,\"room\":\"order:1\"}\n\n{\"id\":2,\"ro"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"place", name, "order:2", "x"}, ""); err != nil {
		t.Fatal(err)
	}
	box, err := OpenFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := box.Claim(t.Context(), 9)
	if err != nil || len(rows) != 2 || rows[1].ID != 2 || rows[1].Room != "order:2" {
		t.Errorf("%v, %v", rows, err)
	}
}
