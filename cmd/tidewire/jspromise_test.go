package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
)

// A badNetwork stands before a hub. Its connections are cut, reset and stalled at random.
type badNetwork struct {
	t      *testing.T
	ln     net.Listener
	target string

	mu    sync.Mutex
	rnd   *rand.Rand
	well  bool
	down  bool
	conns map[net.Conn]bool
	did   struct{ cuts, resets, stalls int }
	group sync.WaitGroup
}

func newBadNetwork(t *testing.T, target string, seed uint64) *badNetwork {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &badNetwork{t: t, ln: ln, target: target, rnd: rand.New(rand.NewPCG(seed, 0)), conns: map[net.Conn]bool{}}
	b.group.Go(b.accept)
	t.Cleanup(func() {
		ln.Close()
		b.mu.Lock()
		b.well = true
		for c := range b.conns {
			c.Close()
		}
		b.mu.Unlock()
		b.group.Wait()
	})
	return b
}

func (b *badNetwork) accept() {
	for {
		client, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.group.Go(func() { b.connect(client) })
	}
}

// connect may take its time: meanwhile others publish.
func (b *badNetwork) connect(client net.Conn) {
	b.mu.Lock()
	wait := time.Duration(b.rnd.IntN(3)) * 300 * time.Millisecond
	if b.well {
		wait = 0
	}
	down := b.down
	b.mu.Unlock()
	if down {
		client.Close()
		return
	}
	time.Sleep(wait)
	server, err := net.Dial("tcp", b.target)
	if err != nil {
		client.Close()
		return
	}
	b.mu.Lock()
	b.conns[client], b.conns[server] = true, true
	b.mu.Unlock()
	b.group.Go(func() { b.carry(client, server) })
	b.carry(server, client)
}

// outage resets all connections, and lets none pass while f runs.
func (b *badNetwork) outage(f func()) {
	b.mu.Lock()
	b.down = true
	for c := range b.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		b.did.resets++
	}
	b.mu.Unlock()
	f()
	b.mu.Lock()
	b.down = false
	b.mu.Unlock()
}

// carry moves bytes one way, and now and then harms the connection.
func (b *badNetwork) carry(from, to net.Conn) {
	defer func() {
		from.Close()
		to.Close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, from)
		delete(b.conns, to)
	}()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		n, stall, end := b.fate(n, to)
		time.Sleep(stall)
		if _, err := to.Write(buf[:n]); err != nil || end {
			return
		}
	}
}

// fate says how much of a piece still arrives, after which time, and whether it is the last.
func (b *badNetwork) fate(n int, to net.Conn) (int, time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.well {
		return n, 0, false
	}
	switch b.rnd.IntN(250) {
	case 0, 1:
		b.did.cuts++
		return b.rnd.IntN(n + 1), 0, true
	case 2:
		b.did.resets++
		to.(*net.TCPConn).SetLinger(0)
		return b.rnd.IntN(n + 1), 0, true
	case 3, 4:
		b.did.stalls++
		return n, time.Duration(b.rnd.IntN(400)) * time.Millisecond, false
	}
	return n, 0, false
}

// stored gathers what the hub stored, room by room.
type stored struct {
	mu    sync.Mutex
	rooms map[string][]live.Position
}

func (s *stored) Deliver(m *live.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pos := m.Pos
	pos.Mid = m.Mid
	s.rooms[m.Room] = append(s.rooms[m.Room], pos)
}

func (*stored) Check(live.Position) {}

// told is a line of js/test/promise.js.
type told struct {
	Key      string // subscriber and room
	Position live.Position
	Gap      *struct {
		Position live.Position
		Reason   string
	}
	Acked           string // the room
	State           string
	Lost, Failed    string
	Published, Done bool
}

// TestBrowserClientKeepsThePromise runs the browser client under Node, over a network that breaks all the time: its functions,
// and its loops, see the accepted messages in order, once each, or a gap before anything later; and what was
// acknowledged is stored, once.
func TestBrowserClientKeepsThePromise(t *testing.T) { browserClient(t, "websocket", 1000, 20) }

// TestBrowserClientWithoutWebSocket does so where every WebSocket is refused.
func TestBrowserClientWithoutWebSocket(t *testing.T) { browserClient(t, "stream", 500, 20) }

// TestBrowserClientsOfOneConnection does so where all clients are tabs that share one.
func TestBrowserClientsOfOneConnection(t *testing.T) { browserClient(t, "shared", 500, 20) }

func browserClient(t *testing.T, way string, messages, keep int) {
	t.Parallel() // it waits for the network most of the time
	const rooms, subscribers, publishers = 3, 3, 3
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	memory := live.NewMemory(nil)
	truth := &stored{rooms: map[string][]live.Position{}}
	for i := range rooms {
		if _, err := memory.Subscribe(live.Room{Name: fmt.Sprint("room:", i), Retention: &live.Retention{History: keep}}, truth); err != nil {
			t.Fatal(err)
		}
	}
	hub := live.NewHub(&live.Options{Broker: memory, BackoffMin: 10 * time.Millisecond, BackoffMax: 200 * time.Millisecond, Limits: live.Limits{Rate: -1, Burst: -1, Faults: -1}})
	t.Cleanup(func() { hub.Close(); memory.Close() })
	hub.ConfigureRooms("room:*", live.RoomOptions{History: keep, CanPublish: func(context.Context, *live.Session, string, string) error { return nil }})
	var mu sync.Mutex
	came := map[string]int{}
	var network *badNetwork
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[int]) error {
		mu.Lock()
		came[p.Mid]++
		lose := len(came) == messages/4 && came[p.Mid] == 1
		mu.Unlock()
		if lose { // one acknowledgement at least is lost for certain: its message is repeated
			network.outage(func() {})
		}
		return nil
	}, "n")
	server := httptest.NewServer(http.Handler(hub))
	t.Cleanup(server.Close)
	network = newBadNetwork(t, strings.TrimPrefix(server.URL, "http://"), seed)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "../../js/test/promise.js", "http://"+network.ln.Addr().String()+"/live",
		fmt.Sprint(rooms), fmt.Sprint(subscribers), fmt.Sprint(publishers), fmt.Sprint(messages))
	node.Stderr = t.Output()
	node.Env = append(node.Environ(), "WAY="+way)
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatalf("node (it comes with ./test at the top of the repository): %v", err)
	}
	var seen struct{ messages, gaps, opened, acked, lost, repeated int }
	at := map[string]live.Position{}
	done := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var l told
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Errorf("%s: %v", lines.Bytes(), err)
		}
		switch {
		case l.Failed != "":
			t.Error(l.Failed)
		case l.Lost != "":
			seen.lost++
		case l.State == "open":
			seen.opened++
		case l.Published:
			network.mu.Lock()
			network.well = true
			network.mu.Unlock()
			in.Close()
		case l.Done:
			done = true
		case l.Acked != "":
			if seen.acked++; seen.acked == messages/2 || seen.acked == messages {
				network.outage(func() { // and meanwhile more is published than the rooms keep
					for i := range rooms * (keep + 10) {
						if _, err := hub.Room(fmt.Sprint("room:", i%rooms)).Publish(ctx, "n", -1); err != nil {
							t.Error(err)
						}
					}
				})
			}
			truth.check(t, l.Acked, l.Position)
		case l.Gap != nil:
			seen.gaps++
			if l.Gap.Reason != "evicted" || l.Gap.Position.Seq <= at[l.Key].Seq {
				t.Errorf("%s: gap %+v behind %v", l.Key, l.Gap, at[l.Key])
			}
			at[l.Key] = l.Gap.Position
		case l.Key != "":
			seen.messages++
			truth.follows(t, l.Key, at[l.Key], l.Position)
			at[l.Key] = l.Position
		}
	}
	if err := node.Wait(); err != nil || !done {
		t.Fatalf("node: %v, done: %t", err, done)
	}
	truth.mu.Lock()
	defer truth.mu.Unlock()
	mu.Lock()
	defer mu.Unlock()
	network.mu.Lock()
	did := network.did
	network.mu.Unlock()
	total := 0
	for room, all := range truth.rooms {
		total += len(all)
		mids := map[string]bool{}
		for _, pos := range all {
			if mids[pos.Mid] {
				t.Errorf("%s: %s is stored twice", room, pos.Mid)
			}
			mids[pos.Mid] = true
		}
		for who := range subscribers {
			key := fmt.Sprint(who, " ", room)
			if head := all[len(all)-1]; at[key].Seq != head.Seq {
				t.Errorf("%s ended at %v, the head is %v", key, at[key], head)
			}
		}
	}
	for _, n := range came {
		if n > 1 {
			seen.repeated++
		}
	}
	t.Logf("%d stored; %+v; %+v", total, seen, did)
	if total < publishers*messages*9/10 {
		t.Errorf("only %d of %d were stored", total, publishers*messages)
	}
	if way == "shared" { // a single connection meets fewer faults, and perhaps none of one kind
		did.cuts += did.resets + did.stalls
		did.resets, did.stalls = did.cuts, did.cuts
	}
	for what, n := range map[string]int{"messages": seen.messages, "gaps": seen.gaps, "reconnects": seen.opened - subscribers - publishers, "acked": seen.acked,
		"repeated": seen.repeated, "cuts": did.cuts, "resets": did.resets, "stalls": did.stalls} {
		if n <= 0 {
			t.Errorf("the network brought about no %s", what)
		}
	}
}

// check looks whether what was acknowledged is stored there.
func (s *stored) check(t *testing.T, room string, pos live.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.rooms[room] {
		if p.Seq == pos.Seq && p.Mid == pos.Mid {
			return
		}
	}
	t.Errorf("%v was acknowledged in %s, and is not stored", pos, room)
}

// follows looks whether a subscriber may be told of a message where it is.
func (s *stored) follows(t *testing.T, key string, at, pos live.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.IsZero() {
		return // its first
	}
	if pos.Epoch != at.Epoch || pos.Seq <= at.Seq {
		t.Errorf("%s: %v behind %v", key, pos, at)
	}
	_, room, _ := strings.Cut(key, " ")
	for _, p := range s.rooms[room] {
		if p.Seq > at.Seq && p.Seq < pos.Seq {
			t.Errorf("%s: %v is missing between %v and %v", key, p, at, pos)
		}
	}
}
