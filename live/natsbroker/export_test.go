package natsbroker_test

import (
	"bytes"
	"context"
	noise "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

var oneShard = &natsbroker.Options{Shards: 1, Logger: quiet}

// hubOf serves the rooms of kept from a server, until the function that it returns is called.
func hubOf(t *testing.T, s *natsbroker.Server, o *natsbroker.Options) (addr string, b *natsbroker.Broker, end func()) {
	t.Helper()
	b, err := s.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	hub := live.NewHub(&live.Options{Broker: b, DrainWindow: time.Millisecond, BackoffMax: 100 * time.Millisecond, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{Logger: quiet}}})
	hub.ConfigureRooms(kept.Pattern, live.RoomOptions{History: kept.History})
	server := httptest.NewServer(hub)
	return server.Listener.Addr().String(), b, func() {
		ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		hub.Shutdown(ctx)
		server.Close()
		b.Close()
	}
}

// traveller is a client in a room, that may be kept off the net.
type traveller struct {
	t    *testing.T
	room *client.Room
	to   atomic.Pointer[string] // where it dials; nil: nowhere

	mu    sync.Mutex
	conns []net.Conn
	mids  []string
	gaps  []client.Gap
}

func travel(t *testing.T, addr string) *traveller {
	t.Helper()
	x := &traveller{t: t}
	x.to.Store(&addr)
	c, err := client.Dial(t.Context(), "ws://store/", &client.Options{
		Backoff: client.Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		DialOptions: ws.DialOptions{ConnOptions: ws.ConnOptions{Logger: quiet}, NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			to := x.to.Load()
			if to == nil {
				return nil, errors.New("there is no way")
			}
			var d net.Dialer
			nc, err := d.DialContext(ctx, "tcp", *to)
			if err != nil {
				return nil, err
			}
			x.mu.Lock()
			defer x.mu.Unlock()
			x.conns = append(x.conns, nc)
			return struct{ net.Conn }{nc}, nil // or its descriptor is taken, and Close does not end it
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	if x.room, err = c.Room("kept:1", nil); err != nil {
		t.Fatal(err)
	}
	client.OnMessage(x.room, "n", func(_ context.Context, _ any, m client.Meta) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.mids = append(x.mids, m.Mid)
	})
	x.room.OnGap(func(_ context.Context, g client.Gap) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.gaps = append(x.gaps, g)
	})
	if err := x.room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}

// off takes it off the net.
func (x *traveller) off() {
	x.to.Store(nil)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, nc := range x.conns {
		nc.Close()
	}
}

func (x *traveller) send() string {
	x.t.Helper()
	pos, err := x.room.Send(x.t.Context(), "n", "x")
	if err != nil {
		x.t.Fatal(err)
	}
	return pos.Mid
}

// hears waits until it has heard exactly that.
func (x *traveller) hears(want []string) {
	x.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		x.mu.Lock()
		same := slices.Equal(x.mids, want) && len(x.gaps) == 0
		if !same && (time.Now().After(end) || len(x.mids) > len(want) || len(x.gaps) > 0) {
			x.t.Fatalf("heard %v with gaps %v, want %v", x.mids, x.gaps, want)
		}
		x.mu.Unlock()
		if same {
			return
		}
	}
}

// runCluster starts the servers of folders.
func runCluster(t *testing.T, dirs []string) (all []*natsbroker.Server, end func()) {
	t.Helper()
	var peers []string
	for range 3 {
		peers = append(peers, freeAddr(t))
	}
	all = make([]*natsbroker.Server, len(dirs))
	var starting sync.WaitGroup
	for i, dir := range dirs {
		starting.Go(func() {
			s, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: dir, Logger: quiet, SyncEvery: time.Minute,
				Cluster: &natsbroker.ClusterOptions{Name: "moved", Listen: peers[i], Peers: peers}})
			if err != nil {
				t.Error(err)
				return
			}
			all[i] = s
		})
	}
	starting.Wait()
	var once sync.Once
	end = func() {
		once.Do(func() {
			var ending sync.WaitGroup
			for _, s := range all {
				if s != nil {
					ending.Go(func() { s.Close() })
				}
			}
			ending.Wait()
		})
	}
	t.Cleanup(end)
	if t.Failed() {
		t.FailNow()
	}
	return all, end
}

// TestMove takes a store from one server to a cluster and back, under clients that were there and that missed something.
func TestMove(t *testing.T) {
	// A server of a cluster leaves one behind: see startServer.
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*Server).StartRouting"))
	t.Run("there and back", testMove)
}

func testMove(t *testing.T) {
	dir := t.TempDir()
	alone, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: filepath.Join(dir, "alone"), Logger: quiet, SyncEvery: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	addr, b, end := hubOf(t, alone, oneShard)
	ada, bob := travel(t, addr), travel(t, addr)
	var said []string
	for range 20 {
		said = append(said, ada.send())
	}
	bob.hears(said)
	bob.off()
	for range 20 {
		said = append(said, ada.send())
	}
	for range 5 { // what cannot be made smaller, and is more than is under way at once
		p := make([]byte, 250<<10)
		noise.Read(p)
		stored := make(chan error, 1)
		b.Publish(&live.Publish{Room: keptRoom(3), Message: &live.Message{Type: "n", Room: "kept:3", Mid: "big", Data: fmt.Appendf(nil, "%q", hex.EncodeToString(p)), Codec: protocol.JSON}},
			func(_ live.Stored, err error) { stored <- err })
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
	}
	bulk := all(t, b, keptRoom(3))
	compare := func() {
		t.Helper()
		got := all(t, b, keptRoom(3))
		if !slices.EqualFunc(got, bulk, func(x, y *live.Message) bool { return x.Pos == y.Pos && bytes.Equal(x.Data, y.Data) }) {
			t.Errorf("%d messages are other ones than the %d that were there", len(got), len(bulk))
		}
	}
	big, err := put(b, keptRoom(2), "first") // known again for two minutes
	if err != nil {
		t.Fatal(err)
	}
	ada.hears(said)
	ada.off()
	end()
	alone.Close()

	one := filepath.Join(dir, "one")
	exportTo(t, one, filepath.Join(dir, "alone"))
	dirs := []string{filepath.Join(dir, "0"), filepath.Join(dir, "1"), filepath.Join(dir, "2")}
	importFrom(t, one, "moved", dirs...)

	servers, endCluster := runCluster(t, []string{dirs[2], dirs[0], dirs[1]})
	addr, b, end = hubOf(t, servers[0], oneShard)
	again(func() error {
		st, err := put(b, keptRoom(2), "first")
		if err == nil && (!st.Duplicate || st.Pos != big.Pos) {
			t.Errorf("what was stored as %+v is stored again as %+v", big, st)
		}
		return err
	})
	compare()
	bob.hears(said[:20]) // so far
	bob.to.Store(&addr)
	bob.hears(said)
	ada.to.Store(&addr)
	said = append(said, ada.send())
	bob.hears(said)
	ada.hears(said)
	bob.off()
	said = append(said, ada.send())
	ada.off()
	end()
	endCluster()

	// The way back is from two of the three.
	back := filepath.Join(dir, "back")
	exportTo(t, back, dirs[:2]...)
	importFrom(t, back, "", filepath.Join(dir, "again"))
	alone, err = natsbroker.StartServer(natsbroker.ServerOptions{Dir: filepath.Join(dir, "again"), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	// With other bounds, so that the stream is changed.
	addr, b, end = hubOf(t, alone, &natsbroker.Options{Shards: 1, MaxBytes: 2 << 30, Logger: quiet})
	defer end()
	compare()
	if st, err := put(b, keptRoom(2), "first"); err != nil || !st.Duplicate || st.Pos != big.Pos {
		t.Errorf("what was stored as %+v is stored again as %+v, %v", big, st, err)
	}
	bob.to.Store(&addr)
	bob.hears(said)
	ada.to.Store(&addr)
	said = append(said, ada.send())
	bob.hears(said)
	ada.hears(said)
	ada.off()
	bob.off()
}

func exportTo(t *testing.T, file string, dirs ...string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := natsbroker.ExportFolders(t.Context(), f, dirs, &natsbroker.Options{Logger: quiet}); err != nil {
		t.Fatal(err)
	}
}

func importFrom(t *testing.T, file, cluster string, dirs ...string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := natsbroker.ImportFolders(t.Context(), f, dirs, cluster, &natsbroker.Options{Logger: quiet}); err != nil {
		t.Fatal(err)
	}
}

// TestExportWhileServing exports from servers elsewhere that go on to take messages, and imports into others: what was
// acknowledged before is there, and of what came meanwhile the first ones.
func TestExportWhileServing(t *testing.T) {
	values := &live.Retention{Pattern: "value:*", Keys: true, MaxKeys: 10}
	connect := func(url string) *natsbroker.Broker {
		t.Helper()
		b, err := natsbroker.Connect(url, oneShard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	configure := func(b *natsbroker.Broker) {
		t.Helper()
		if err := errors.Join(b.Configure(kept), b.Configure(values)); err != nil {
			t.Fatal(err)
		}
	}
	from := connect(alone(t))
	configure(from)
	value := live.Room{Name: "value:1", Retention: values}
	stored := make(chan error, 1)
	from.Publish(&live.Publish{Room: value, Message: &live.Message{Type: "n", Room: value.Name, Mid: "v", Key: "k", Data: []byte("7"), Codec: protocol.JSON}},
		func(_ live.Stored, err error) { stored <- err })
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	var acked []live.Position // of room 0
	publish := func(g int) live.Position {
		st, err := put(from, keptRoom(g), fmt.Sprint("m", g, "-", rand.Uint64()))
		if err != nil {
			t.Error(err)
		}
		return st.Pos
	}
	for range 1000 { // more than the window
		acked = append(acked, publish(0))
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var publishing sync.WaitGroup
	defer publishing.Wait()
	var later []live.Position
	publishing.Go(func() {
		for ctx.Err() == nil {
			later = append(later, publish(0))
		}
	})
	var file bytes.Buffer
	if err := from.Export(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
	stop()
	publishing.Wait()

	to := connect(alone(t))
	if err := to.Import(t.Context(), bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	configure(to)
	var got []live.Position
	for _, m := range all(t, to, keptRoom(0)) {
		got = append(got, m.Pos)
	}
	want := append(acked, later...)
	if len(got) < len(acked) || len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		t.Errorf("%d messages were imported; %d were there before the export, and %d came meanwhile", len(got), len(acked), len(later))
	}
	t.Logf("%d before, %d of %d meanwhile", len(acked), len(got)-len(acked), len(later))
	latest, err := to.Latest(t.Context(), value)
	if err != nil || len(latest) != 1 || string(latest[0].Data) != "7" {
		t.Errorf("the values are %+v, %v", latest, err)
	}
	if err := natsbroker.ExportFolders(t.Context(), &bytes.Buffer{}, []string{t.TempDir()}, &natsbroker.Options{Name: "a.b"}); err == nil {
		t.Error("a name that is none")
	}
	other, err := natsbroker.Connect(alone(t), &natsbroker.Options{Name: "other", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Import(t.Context(), bytes.NewReader(file.Bytes())); err == nil || !strings.Contains(err.Error(), `is of the name "tidewire"`) {
		t.Errorf("another name: %v", err)
	}
}
