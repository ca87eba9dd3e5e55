package live_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// moody is a broker that does what a script says: it holds publishes back, fails, reads no
// history, and loses what it should deliver.
type moody struct {
	*live.Memory
	mu                        sync.Mutex
	holds, fails, blind, mute bool
	waits                     []func()
	sinks                     map[*moodySink]bool
}

type moodySink struct {
	live.Sink
	b *moody
}

func (s *moodySink) Deliver(m *live.Message) {
	s.b.mu.Lock()
	mute := s.b.mute
	s.b.mu.Unlock()
	if !mute {
		s.Sink.Deliver(m)
	}
}

func (b *moody) Subscribe(r live.Room, s live.Sink) (func(), error) {
	own := &moodySink{s, b}
	b.mu.Lock()
	b.sinks[own] = true
	b.mu.Unlock()
	cancel, err := b.Memory.Subscribe(r, own)
	return func() {
		b.mu.Lock()
		delete(b.sinks, own)
		b.mu.Unlock()
		cancel()
	}, err
}

func (b *moody) Publish(p *live.Publish, done func(live.Stored, error)) {
	b.mu.Lock()
	fails := b.fails
	run := func() {
		if fails {
			done(live.Stored{}, live.ErrUnavailable)
		} else {
			b.Memory.Publish(p, done)
		}
	}
	if b.holds {
		b.waits = append(b.waits, run)
		run = func() {}
	}
	b.mu.Unlock()
	run()
}

func (b *moody) History(ctx context.Context, r live.Room, q live.Query) (live.Page, error) {
	b.mu.Lock()
	blind := b.blind
	b.mu.Unlock()
	if blind {
		return live.Page{}, live.ErrUnavailable
	}
	return b.Memory.History(ctx, r, q)
}

// set changes the mood. Where it holds nothing back any more, what waits goes on.
func (b *moody) set(holds, fails, blind, mute bool) {
	b.mu.Lock()
	b.holds, b.fails, b.blind, b.mute = holds, fails, blind, mute
	var waits []func()
	if !holds {
		waits, b.waits = b.waits, nil
	}
	b.mu.Unlock()
	for _, f := range waits {
		f()
	}
}

// check has the rooms look whether they missed something.
func (b *moody) check() {
	b.mu.Lock()
	var all []*moodySink
	for s := range b.sinks {
		all = append(all, s)
	}
	b.mu.Unlock()
	for _, s := range all {
		s.Check(live.Position{})
	}
}

// script is a session whose client and whose server do what bytes say.
type script struct {
	t      *testing.T
	hub    *live.Hub
	broker *moody
	conn   *ws.Conn
	pipe   *wstest.PipeConn
	id     uint64

	mu      sync.Mutex
	session *live.Session
	asked   map[uint64]*asked
	rooms   map[string]*live.Position // where the session is, and which it is in
	closed  bool
	log     []string
}

// asked is a message with an id.
type asked struct {
	typ, room string
	replies   int
}

var scriptRooms = []string{"room:0", "room:1", "room:no", "drop:0", "plain:0", "latest:0", "plain:*", "nowhere"}

func (s *script) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *script) bad(format string, args ...any) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Errorf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(s.log, "\n"))
}

// say sends a message with an id of its own.
func (s *script) say(typ, room, rest string) {
	s.id++
	s.mu.Lock()
	s.asked[s.id] = &asked{typ: typ, room: room}
	s.mu.Unlock()
	text := fmt.Sprintf(`{"type":%q,"id":%d`, typ, s.id)
	if room != "" {
		text += fmt.Sprintf(`,"room":%q`, room)
	}
	s.raw(text + rest + "}")
}

func (s *script) raw(text string) {
	s.note("C %s", text)
	s.conn.Write(s.t.Context(), ws.Text, []byte(text)) // it may be closed
}

// hears reports whether the session may be sent what is of a room.
func (s *script) hears(room string) bool {
	return s.rooms[room] != nil || s.rooms["plain:*"] != nil && strings.HasPrefix(room, "plain:")
}

// listen reads all that comes, and judges it.
func (s *script) listen() {
	for {
		_, p, err := s.conn.Read(context.Background())
		s.mu.Lock()
		if err != nil {
			s.log = append(s.log, fmt.Sprint("closed: ", err))
			s.closed = true
			s.mu.Unlock()
			return
		}
		s.log = append(s.log, "S "+string(p))
		why := s.judge(p)
		s.mu.Unlock()
		if why != "" {
			s.t.Errorf("%s: %s\n%s", p, why, strings.Join(s.log, "\n"))
		}
	}
}

func (s *script) judge(p []byte) string {
	m, err := protocol.JSON.Parse(p, 0)
	if err != nil {
		return err.Error()
	}
	a := s.asked[m.Re]
	if m.Re > 0 {
		if a == nil {
			return "nobody asked that"
		}
		if a.replies++; a.replies > 1 {
			return "a second reply"
		}
	}
	switch {
	case m.Type == "$ok" && (a == nil && m.Room != "" || a != nil && a.typ == "$join"):
		s.rooms[m.Room] = &live.Position{Epoch: m.Pos.Epoch, Seq: m.Pos.Seq, Mid: m.Mid}
	case m.Type == "$ok" && a != nil && a.typ == "$leave":
		delete(s.rooms, a.room)
	case m.Type == "$left":
		if s.rooms[m.Room] == nil {
			return "it is not in the room"
		}
		delete(s.rooms, m.Room)
	case m.Re > 0 || m.Room == "" || m.Type == "$error":
	case !s.hears(m.Room):
		return "it is not in the room"
	case m.Type == "$gap":
		if at := s.rooms[m.Room]; !m.Pos.IsZero() {
			*at = m.Pos
		}
	case m.Type == "$live":
		if at := s.rooms[m.Room]; !m.Pos.IsZero() {
			if m.Pos.Epoch != at.Epoch || m.Pos.Seq < at.Seq {
				return fmt.Sprintf("live behind %v", *at)
			}
			*at = m.Pos
		}
	case m.Pos.Seq > 0:
		at := s.rooms[m.Room]
		if m.Pos.Seq <= at.Seq || m.Prev > at.Seq {
			return fmt.Sprintf("out of order, again, or behind a hole: it is at %v", *at)
		}
		at.Seq = m.Pos.Seq
	}
	return ""
}

// step does what two bytes say.
func (s *script) step(op, arg byte) {
	ctx := context.Background()
	room := scriptRooms[int(arg)%len(scriptRooms)]
	more := int(arg) / len(scriptRooms)
	s.mu.Lock()
	session := s.session
	var at live.Position
	if p := s.rooms[room]; p != nil {
		at = *p
	}
	s.mu.Unlock()
	switch op % 22 {
	case 0:
		var joins []string
		for i, name := range scriptRooms {
			if arg>>i&1 == 1 {
				joins = append(joins, fmt.Sprintf(`{"room":%q}`, name))
			}
		}
		s.say("$hello", "", fmt.Sprintf(`,"data":{"token":"ann","join":[%s]}`, strings.Join(joins, ",")))
	case 1, 2:
		switch more % 4 {
		case 0:
			s.say("$join", room, "")
		case 1:
			s.say("$join", room, fmt.Sprintf(`,"data":{"last":%d,"presence":true}`, more))
		case 2:
			s.say("$join", room, fmt.Sprintf(`,"pos":{"epoch":%q,"seq":%d}`, at.Epoch, at.Seq))
		case 3:
			s.say("$join", room, fmt.Sprintf(`,"pos":{"epoch":"no","seq":%d,"mid":"x"}`, more))
		}
	case 3:
		s.say("$leave", room, "")
	case 4, 5:
		s.say("n", room, fmt.Sprintf(`,"mid":"m%d","key":"k%d","data":%d`, arg, more%2, s.id))
	case 6:
		s.say("n", room, `,"volatile":true,"data":"v"`)
	case 7:
		s.say("$history", room, fmt.Sprintf(`,"data":{"limit":%d,"before":%d}`, more%5, more/5))
	case 8:
		s.say("$refresh", "", fmt.Sprintf(`,"data":{"token":%q}`, []string{"ann", "short", "bad", "bob"}[arg%4]))
	case 9:
		s.say("$ping", "", "")
	case 10:
		s.say("$presence", room, "")
	case 11:
		s.say([]string{"echo", "wait", "nothing", "$nonsense", "fails"}[arg%5], "", `,"data":1`)
	case 12:
		s.raw([]string{`{`, `{"type":"n","room":7}`, `{"type":"$ok","re":7}`, `{"type":"n","room":"room:0","data":1}`, `{"type":"$error","re":1,"data":{"code":"no"}}`,
			`{"type":"$join","room":"room:0"}`, `{"type":"$leave","room":"room:0"}`}[arg%7])
	case 13, 14:
		s.note("H publish to %s", room)
		go s.hub.Room(room).Publish(ctx, "n", strings.Repeat("x", more*50), live.WithKey(fmt.Sprint("k", more%2))) // it may be held back
		synctest.Wait()
	case 15:
		s.note("H remove from %s", room)
		s.hub.Room(room).Remove(ctx, "ann")
	case 16:
		s.note("H send")
		s.hub.User("ann").Send(ctx, "hint", strings.Repeat("x", int(arg)*20))
	case 17:
		if session == nil {
			break
		}
		if more%2 == 0 {
			s.note("H join %s", room)
			go session.Join(ctx, room)
		} else {
			s.note("H leave %s", room)
			session.Leave(room, "because")
		}
	case 18:
		s.note("H broker %04b", arg&15)
		s.broker.set(arg&1 > 0, arg&2 > 0, arg&4 > 0, arg&8 > 0)
		if arg&16 > 0 {
			s.broker.check()
		}
	case 19:
		s.note("H the client reads: %t", arg%2 == 0)
		s.pipe.Peer().SetFaults(wstest.Faults{Stall: arg%2 == 1})
	case 20:
		time.Sleep([]time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 7 * time.Second}[arg%4])
	case 21:
		if arg > 250 {
			s.note("H disconnect")
			s.hub.User("ann").Disconnect(ctx, "go")
		}
		synctest.Wait()
	}
}

// FuzzSession has a session, its hub and its broker do anything in any order. Each
// message with an id is replied to once, unless the connection ends; nothing of a room
// comes to who is not in it; a room's messages come in order, with a gap before what is
// missing; and nothing is left in the end.
func FuzzSession(f *testing.F) {
	f.Add([]byte{0, 0xff, 4, 0, 4, 8, 13, 0, 7, 16, 3, 0, 4, 0, 21, 0})
	f.Add([]byte{1, 0, 18, 1, 4, 0, 4, 8, 8, 0, 3, 0, 18, 0, 1, 16, 20, 1})                                 // held back, left, joined again
	f.Add([]byte{1, 0, 19, 1, 13, 0xf8, 13, 0xf8, 13, 0xf8, 13, 0xf8, 13, 0xf8, 13, 0xf8, 3, 0, 19, 0})     // slow, and leaves
	f.Add([]byte{1, 3, 19, 1, 13, 0xfb, 13, 0xfb, 13, 0xfb, 13, 0xfb, 15, 3, 1, 3, 19, 0, 20, 1})           // removed while slow
	f.Add([]byte{1, 5, 13, 5, 13, 13, 18, 8, 13, 5, 18, 16, 20, 1, 13, 5, 21, 0})                           // values that are lost
	f.Add([]byte{1, 6, 1, 4, 13, 4, 3, 4, 13, 4, 3, 6, 13, 4})                                              // a wildcard and its room
	f.Add([]byte{8, 1, 0, 1, 8, 1, 20, 3, 4, 0, 8, 0, 4, 0, 8, 1, 20, 3, 20, 3, 20, 3})                     // expiry
	f.Add([]byte{11, 1, 1, 0, 1, 1, 3, 0, 3, 1, 1, 0, 17, 0, 17, 8, 20, 1})                                 // joins that wait behind a handler
	f.Add([]byte{1, 0, 18, 4, 1, 1, 1, 24, 13, 0, 18, 8, 13, 0, 18, 0, 20, 2, 1, 16, 21, 0, 21, 255, 9, 9}) // blind
	f.Add([]byte{1, 0, 20, 2, 18, 8, 13, 0, 18, 0, 13, 0, 21, 0})                                           // a message that is lost
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > 300 {
			return
		}
		bubble(t, func(t *testing.T) { playScript(t, p) })
	})
}

func playScript(t *testing.T, p []byte) {
	s := &script{t: t, asked: map[uint64]*asked{}, rooms: map[string]*live.Position{},
		broker: &moody{Memory: live.NewMemory(nil), sinks: map[*moodySink]bool{}}}
	defer s.broker.Close()
	auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
		switch c.Token {
		case "bad":
			return live.Identity{}, errors.New("no")
		case "short":
			return live.Identity{User: "ann", Expires: time.Now().Add(5 * time.Second)}, nil
		case "bob":
			return live.Identity{User: "bob"}, nil
		}
		return live.Identity{User: "ann"}, nil
	}
	hook := func(one *live.Session) {
		s.mu.Lock()
		s.session = one
		s.mu.Unlock()
	}
	s.hub = live.NewHub(&live.Options{Authenticate: auth, Broker: s.broker, Logger: quiet, Hooks: &live.Hooks{Connected: hook},
		DrainWindow: -1, RecentBytes: 4 << 10, Limits: live.Limits{Rate: -1, Burst: -1, Faults: -1, Rooms: 5, SessionPublishes: 4, Inbox: 8, ReplyBytes: 16 << 10},
		Accept: ws.AcceptOptions{AnyOrigin: true, ConnOptions: ws.ConnOptions{Engine: ws.NewEngine(), Logger: quiet, WriteQueue: 4 << 10, WriteTimeout: -1, PingInterval: -1}}})
	may := func(_ context.Context, _ *live.Session, room, _ string) error {
		time.Sleep(10 * time.Millisecond)
		if room == "room:no" {
			return errors.New("no")
		}
		return nil
	}
	s.hub.ConfigureRooms("room:*", live.RoomOptions{History: 5, CanJoin: may, Presence: true})
	s.hub.ConfigureRooms("drop:*", live.RoomOptions{History: 5, Slow: live.DropOldest})
	s.hub.ConfigureRooms("plain:*", live.RoomOptions{Slow: live.DropOldest, CanWatch: func(context.Context, *live.Session, string) error { return nil }})
	s.hub.ConfigureRooms("latest:*", live.RoomOptions{Slow: live.Latest, MaxKeys: 2})
	live.Handle(s.hub, "echo", func(_ context.Context, _ *live.Session, v any) (any, error) { return v, nil })
	live.On(s.hub, "wait", func(context.Context, *live.Session, any) error { time.Sleep(50 * time.Millisecond); return nil })
	live.On(s.hub, "fails", func(context.Context, *live.Session, any) error { return errors.New("no") })

	ln := wstest.Listen(wstest.PipeOptions{Buffer: 1 << 10})
	served := make(chan error, 1)
	go func() { served <- s.hub.Serve(ln) }()
	var err error
	s.conn, _, err = ws.Dial(t.Context(), "ws://hub/", &ws.DialOptions{NetDial: ln.DialContext, Proxy: noProxy,
		ConnOptions: ws.ConnOptions{Logger: quiet, WriteTimeout: -1, PingInterval: -1}})
	if err != nil {
		t.Fatal(err)
	}
	s.pipe = wstest.Stream(s.conn)
	listened := make(chan struct{})
	go func() { defer close(listened); s.listen() }()

	for i := 0; i+1 < len(p); i += 2 {
		s.step(p[i], p[i+1])
	}
	s.pipe.Peer().SetFaults(wstest.Faults{})
	s.broker.set(false, false, false, false)
	time.Sleep(3 * time.Minute)
	var silent []string
	s.mu.Lock()
	for id, a := range s.asked {
		if a.replies == 0 && !s.closed {
			silent = append(silent, fmt.Sprintf("%s with the id %d", a.typ, id))
		}
	}
	s.mu.Unlock()
	if len(silent) > 0 {
		s.bad("not answered: %q", silent)
	}
	if len(p)%2 == 0 {
		s.conn.CloseNow()
		<-listened
		time.Sleep(time.Minute)
		if s.hub.Len() != 0 || s.hub.Rooms() != 0 {
			s.bad("%d sessions and %d rooms are left", s.hub.Len(), s.hub.Rooms())
		}
	}
	if err := s.hub.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	s.conn.CloseNow()
	<-listened
	<-served
	time.Sleep(time.Minute)
	if s.hub.Len() != 0 || s.hub.Rooms() != 0 {
		s.bad("%d sessions and %d rooms are left", s.hub.Len(), s.hub.Rooms())
	}
}
