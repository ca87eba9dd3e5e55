package natsbroker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
	"github.com/tidewire/tidewire/live/protocol"
)

// desk is a broker with one pattern on one stream, and a room of it.
type desk struct {
	t    *testing.T
	b    *natsbroker.Broker
	room live.Room
}

func sit(t *testing.T, url string, keep live.Retention, o ...nats.Option) desk {
	t.Helper()
	keep.Pattern = "a:*"
	b, err := natsbroker.Connect(url, &natsbroker.Options{Shards: 1, Logger: quiet, NATS: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Configure(&keep); err != nil {
		t.Fatal(err)
	}
	return desk{t, b, live.Room{Name: "a:1", Retention: &keep}}
}

// publish stores a message in a room, which may be another one.
func (d desk) publish(room, data string) live.Position {
	d.t.Helper()
	type result struct {
		pos live.Position
		err error
	}
	done := make(chan result, 1)
	d.b.Publish(&live.Publish{Room: live.Room{Name: room, Retention: d.room.Retention},
		Message: &live.Message{Type: "n", Room: room, Mid: "m", Key: "k" + data[:min(len(data), 5)], Data: []byte(data), Codec: protocol.JSON},
	}, func(st live.Stored, err error) { done <- result{st.Pos, err} })
	r := <-done
	if r.err != nil {
		d.t.Error(r.err)
	}
	return r.pos
}

func (d desk) read(q live.Query) live.Page {
	d.t.Helper()
	ctx, done := context.WithTimeout(d.t.Context(), 5*time.Second)
	defer done()
	page, err := d.b.History(ctx, d.room, q)
	if err != nil {
		d.t.Fatalf("%+v: %v", q, err)
	}
	return page
}

// streams is a way to them past the broker.
func streams(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// alone starts a server that listens, until the test ends.
func alone(t *testing.T) string {
	t.Helper()
	ns, err := server.NewServer(&server.Options{ServerName: "alone", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), MaxPayload: 4 << 20, NoAuthUser: "all",
		Users: []*server.User{{Username: "all", Password: "all"}, {Username: "untold", Password: "untold",
			Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"$JS.EVENT.ADVISORY.>"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server did not start")
	}
	return ns.ClientURL()
}

func TestReadBehindTheHead(t *testing.T) {
	d := sit(t, alone(t), live.Retention{History: 10})
	head := d.publish("a:1", "1")
	if page := d.read(live.Query{From: head.Seq + 1000, Limit: 5}); page.Head != head || len(page.Messages) > 0 {
		t.Errorf("%+v, want the head %+v", page, head)
	}
}

func TestReadMessagesOfMoreThanAPage(t *testing.T) {
	d := sit(t, alone(t), live.Retention{History: 3})
	var last live.Position
	for range 4 { // one more than is given out
		last = d.publish("a:1", `"`+strings.Repeat("x", 1<<20)+`"`)
	}
	for from := range last.Seq {
		page := d.read(live.Query{From: from, Limit: 5})
		if len(page.Messages) == 0 {
			t.Errorf("from %d nothing is given out, Floor is %d", from, page.Floor)
		}
	}
}

func TestReadBackwardsWhileOthersPublish(t *testing.T) {
	d := sit(t, alone(t), live.Retention{History: 1 << 20})
	var middle live.Position
	for i := range 300 {
		if pos := d.publish("a:1", "1"); i == 200 {
			middle = pos
		}
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					d.publish("a:1", "1")
				}
			}
		})
	}
	for range 100 {
		if page := d.read(live.Query{Backward: true, Before: middle.Seq, Limit: 20}); len(page.Messages) != 20 || !page.More {
			t.Errorf("%d messages, more: %v", len(page.Messages), page.More)
			break
		}
	}
	close(stop)
	others.Wait()
}

func TestFloorOfWhatIsOfAge(t *testing.T) {
	d := sit(t, alone(t), live.Retention{History: 1000, Age: 300 * time.Millisecond})
	first := d.publish("a:1", "1")
	last := first
	for range 600 {
		last = d.publish("a:1", "1")
	}
	for _, q := range []live.Query{{Limit: 1}, {From: first.Seq, Limit: 1}} {
		for done := false; !done; {
			time.Sleep(400 * time.Millisecond)
			began := time.Now()
			young := d.publish("a:1", "1")
			page := d.read(q)
			if done = time.Since(began) < 200*time.Millisecond; done && (page.Floor != last.Seq || page.Head.Seq != young.Seq) {
				t.Errorf("%+v: Floor is %d and the head %d, want %d and %d", q, page.Floor, page.Head.Seq, last.Seq, young.Seq)
			}
			last = young
		}
	}
}

func TestFloorOfAQuietRoom(t *testing.T) {
	d := sit(t, cluster(t)[0].ClientURL(), live.Retention{History: 3})
	stood := d.read(live.Query{}).Head
	for range 10 { // and as many fences
		d.publish("a:busy", "1")
		d.read(live.Query{})
	}
	if page := d.read(live.Query{From: stood.Seq, Limit: 1}); page.Floor > stood.Seq {
		t.Errorf("Floor is %d; nothing was there at %d, and nothing came", page.Floor, stood.Seq)
	}
}

// checks is a Sink that tells of heads.
type checks chan live.Position

func (checks) Deliver(*live.Message) {}
func (c checks) Check(head live.Position) {
	select {
	case c <- head:
	default:
	}
}

func TestOwnHeadsAreHeard(t *testing.T) {
	d := sit(t, alone(t), live.Retention{History: 3})
	c := make(checks, 100)
	cancel, err := d.b.Subscribe(d.room, c)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	for range 2 { // the first may be looked up, as the stream is new
		pos := d.publish("a:1", "1")
		for end := time.After(10 * time.Second); ; {
			var head live.Position
			select {
			case head = <-c:
			case <-end:
				t.Fatal("the head was not announced")
			}
			if head.Seq == pos.Seq {
				break
			}
		}
	}
}

// A stream that is deleted is made anew, also where nobody is told: NATS loses the word of it now and then, on a busy machine.
func TestStreamMadeAnew(t *testing.T) {
	for name, as := range map[string]nats.Option{"told": nats.UserInfo("all", "all"), "untold": nats.UserInfo("untold", "untold")} {
		t.Run(name, func(t *testing.T) {
			url := alone(t)
			d := sit(t, url, live.Retention{History: 3}, as)
			old := d.publish("a:1", "1")
			js := streams(t, url)
			for name := range js.StreamNames(t.Context()).Name() {
				if err := js.DeleteStream(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(10 * time.Second); d.read(live.Query{}).Head.Epoch == old.Epoch; {
				if time.Now().After(end) {
					t.Fatal("it was not noticed")
				}
			}
		})
	}
}

func TestGarbageInAStream(t *testing.T) {
	url := alone(t)
	d := sit(t, url, live.Retention{History: 5})
	first := d.publish("a:1", "1")
	js := streams(t, url)
	for name := range js.StreamNames(t.Context()).Name() {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetMsg(t.Context(), first.Seq)
		if err != nil || len(m.Data) == 0 {
			continue
		}
		for _, p := range [][]byte{nil, []byte("{"), []byte("\xff")} {
			if _, err := js.Publish(t.Context(), m.Subject, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.publish("a:1", "2")
	for _, q := range []live.Query{{From: first.Seq, Limit: 10}, {Backward: true, Limit: 10}} {
		if page := d.read(q); len(page.Messages) != 2 || string(page.Messages[1].Data) != "2" {
			t.Errorf("%+v: %v", q, page.Messages)
		}
	}
}

func TestValuesPastMaxKeysGo(t *testing.T) {
	url := alone(t)
	d := sit(t, url, live.Retention{Keys: true, MaxKeys: 3})
	for i := range 20 {
		d.publish("a:1", fmt.Sprint(i))
	}
	if all, err := d.b.Latest(t.Context(), d.room); err != nil || len(all) != 3 || string(all[2].Data) != "19" {
		t.Fatalf("%v, %v", all, err)
	}
	js := streams(t, url)
	left := uint64(0)
	for s := range js.ListStreams(t.Context()).Info() {
		left += s.State.Msgs
	}
	if left > 10 {
		t.Errorf("%d messages are stored", left)
	}
}
