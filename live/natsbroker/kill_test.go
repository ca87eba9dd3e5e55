package natsbroker_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
	"github.com/tidewire/tidewire/live/protocol"
)

// stormDir says, in the environment of a child process, where to store.
const stormDir = "NATSBROKER_STORM_DIR"

var kept = &live.Retention{Pattern: "kept:*", History: 100_000}

func keptRoom(n int) live.Room { return live.Room{Name: fmt.Sprint("kept:", n), Retention: kept} }

// keep connects a broker that stores the rooms of kept.
func keep(t *testing.T, s *natsbroker.Server) *natsbroker.Broker {
	t.Helper()
	b, err := s.Connect(&natsbroker.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Configure(kept); err != nil {
		t.Fatal(err)
	}
	return b
}

// put publishes and waits.
func put(b live.Broker, room live.Room, mid string) (live.Stored, error) {
	type result struct {
		st  live.Stored
		err error
	}
	done := make(chan result, 1)
	b.Publish(&live.Publish{Room: room, DedupeKey: room.Name + "\x00ann\x00" + mid,
		Message: &live.Message{Type: "n", Room: room.Name, Mid: mid, From: "ann", Data: []byte(`"` + strings.Repeat("x", 200) + `"`), Codec: protocol.JSON},
	}, func(st live.Stored, err error) { done <- result{st, err} })
	r := <-done
	return r.st, r.err
}

// all reads a room to its end, by pages.
func all(t *testing.T, b live.Broker, room live.Room) []*live.Message {
	t.Helper()
	var out []*live.Message
	for from := uint64(1); ; {
		page, err := b.History(t.Context(), room, live.Query{From: from, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Messages...)
		if !page.More {
			return out
		}
		from = out[len(out)-1].Pos.Seq + 1
	}
}

// TestKill kills a process in the middle of a storm of publishes, again and again on the same folder. What was
// acknowledged is there each time, once, also where the disk has not got it yet: the system has.
func TestKill(t *testing.T) {
	for _, every := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("synced every ", every), func(t *testing.T) { kill(t, every) })
	}
}

func kill(t *testing.T, every time.Duration) {
	dir := t.TempDir()
	acked := map[string]live.Position{}
	for round := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestStorm$")
		cmd.Env = append(os.Environ(), stormDir+"="+dir, fmt.Sprint("NATSBROKER_STORM_ROUND=", round), fmt.Sprint("NATSBROKER_STORM_SYNC=", every))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		most := 50 + rand.IntN(500)
		for n := 0; lines.Scan(); n++ {
			var room, mid string
			var seq uint64
			if k, err := fmt.Sscanf(lines.Text(), "acked %s %s %d", &room, &mid, &seq); k == 3 && err == nil {
				acked[room+" "+mid] = live.Position{Seq: seq, Mid: mid}
			}
			if n == most {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the storm ended before it was killed")
		}
	}
	if len(acked) < 20*50 {
		t.Fatalf("only %d publishes were acknowledged", len(acked))
	}
	b := keep(t, serve(t, natsbroker.ServerOptions{Dir: dir}))
	stored := 0
	for n := range 4 {
		room := keptRoom(n)
		seen := map[string]uint64{}
		for _, m := range all(t, b, room) {
			if seen[m.Mid] != 0 {
				t.Errorf("%s is stored as %d and as %d", m.Mid, seen[m.Mid], m.Pos.Seq)
			}
			seen[m.Mid] = m.Pos.Seq
			stored++
		}
		for key, pos := range acked {
			if mid, ok := strings.CutPrefix(key, room.Name+" "); ok && seen[mid] != pos.Seq {
				t.Errorf("%s was acknowledged as %d, and is stored as %d", key, pos.Seq, seen[mid])
			}
		}
	}
	t.Logf("%d acknowledged, %d stored", len(acked), stored)
}

// TestStorm is the process that TestKill kills.
func TestStorm(t *testing.T) {
	dir := os.Getenv(stormDir)
	if dir == "" {
		return
	}
	every, err := time.ParseDuration(os.Getenv("NATSBROKER_STORM_SYNC"))
	if err != nil {
		t.Fatal(err)
	}
	b := keep(t, serve(t, natsbroker.ServerOptions{Dir: dir, SyncEvery: every}))
	round := os.Getenv("NATSBROKER_STORM_ROUND")
	var group sync.WaitGroup
	var print sync.Mutex
	for g := range 16 {
		group.Go(func() {
			for i := range 100_000 {
				room, mid := keptRoom(g%4), fmt.Sprint(round, "-", g, "-", i)
				st, err := put(b, room, mid)
				if err != nil {
					t.Error(err)
					return
				}
				print.Lock()
				fmt.Println("acked", room.Name, mid, st.Pos.Seq)
				print.Unlock()
			}
		})
	}
	group.Wait()
}

// TestRestart ends a server gently, and begins another one where it stopped: the positions are the same, and ids are
// known again.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	var first []live.Stored
	for round := range 2 {
		s := serve(t, natsbroker.ServerOptions{Dir: dir})
		b := keep(t, s)
		var now []live.Stored
		for i := range 10 {
			st, err := put(b, keptRoom(i%2), fmt.Sprint("m", i))
			if err != nil || st.Duplicate != (round == 1) {
				t.Fatalf("round %d: %+v, %v", round, st, err)
			}
			st.Duplicate = false
			now = append(now, st)
		}
		if round == 0 {
			first = now
		} else if !slices.Equal(now, first) {
			t.Errorf("stored as %v, and known again as %v", first, now)
		}
		b.Close()
		s.Close()
	}
}

// TestOneProcess has a second server refused on the same folder.
func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	serve(t, natsbroker.ServerOptions{Dir: dir})
	if _, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: dir, Logger: quiet}); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a second server on a folder: %v", err)
	}
}

// TestUnconfigured has a room refused whose pattern nobody has told.
func TestUnconfigured(t *testing.T) {
	b := keep(t, serve(t, natsbroker.ServerOptions{}))
	room := live.Room{Name: "other:1", Retention: &live.Retention{Pattern: "other:*", History: 1}}
	if _, err := put(b, room, "m"); err == nil || !strings.Contains(err.Error(), "was not configured") {
		t.Errorf("publish: %v", err)
	}
	ctx, done := context.WithTimeout(t.Context(), 5*time.Second)
	defer done()
	if _, err := b.History(ctx, room, live.Query{}); err == nil || !strings.Contains(err.Error(), "was not configured") {
		t.Errorf("history: %v", err)
	}
}
