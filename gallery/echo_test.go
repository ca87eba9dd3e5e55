package gallery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

const pageID = "0123456789abcdef0123456789abcdef"

// wire is frames of every form, and what headers is to say of them.
func wire() (stream []byte, want []string) {
	key := [4]byte{1, 2, 3, 4}
	message := 0
	for _, f := range []struct {
		h frame.Header
		n int
	}{
		{frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: key}, 2},
		{frame.Header{Fin: true, Opcode: frame.Binary}, 0},
		{frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: key}, 0},
		{frame.Header{Opcode: frame.Text, RSV: frame.RSV1}, 125},
		{frame.Header{Fin: true, Opcode: frame.Ping, Masked: true, Key: key}, 4},
		{frame.Header{Opcode: frame.Continuation}, 126},
		{frame.Header{Fin: true, Opcode: frame.Pong}, 125},
		{frame.Header{Fin: true, Opcode: frame.Continuation}, 0},
		{frame.Header{Fin: true, Opcode: frame.Text}, 300},
		{frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: key}, 65536},
		{frame.Header{Fin: true, Opcode: frame.Close}, 2},
	} {
		f.h.Length = int64(f.n)
		of := -1
		if !f.h.Opcode.IsControl() {
			if of = message; f.h.Fin {
				message++
			}
		}
		want = append(want, fmt.Sprintf("%v %x %d", f.h, frame.AppendHeader(nil, f.h), of))
		stream = frame.Append(stream, f.h, bytes.Repeat([]byte{0x81}, f.n)) // a payload that looks like headers
	}
	return stream, want
}

// fed returns what headers says of a stream in pieces.
func fed(pieces ...[]byte) (said []string) {
	var r headers
	for _, p := range pieces {
		r.feed(p, func(h frame.Header, raw []byte, message int) {
			said = append(said, fmt.Sprintf("%v %x %d", h, raw, message))
		})
	}
	return said
}

func TestHeadersHoweverTheStreamIsCut(t *testing.T) {
	stream, want := wire()
	if got := fed(stream); !reflect.DeepEqual(got, want) {
		t.Fatalf("whole: %q\nwant %q", got, want)
	}
	for i := range stream {
		if i%1000 > 0 && i > 1500 && i < len(stream)-50 { // inside the longest payload
			continue
		}
		if got := fed(stream[:i], stream[i:]); !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at %d: %q", i, got)
		}
	}
	for size := 1; size < 20; size++ {
		var pieces [][]byte
		for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			pieces = append(pieces, rest[:min(size, len(rest))])
		}
		if got := fed(pieces...); !reflect.DeepEqual(got, want) {
			t.Fatalf("in pieces of %d: %q", size, got)
		}
	}
}

// What is no frame ends the looking, and nothing else.
func TestHeadersOfWhatIsNoFrame(t *testing.T) {
	bad := []byte{0x82, 126, 0, 1} // not the shortest form
	good := []byte{0x81, 2, 'h', 'i'}
	if got := fed(good, bad, good); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// Wherever a stream is cut, the same is said of it.
func FuzzHeaders(f *testing.F) {
	stream, _ := wire()
	f.Add(stream[:600], uint(3), uint(90))
	f.Add([]byte{0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0, 1}, uint(2), uint(4))
	f.Add([]byte{0x82, 126, 0, 1}, uint(3), uint(1))
	f.Fuzz(func(t *testing.T, p []byte, a, b uint) {
		i := int(a % uint(len(p)+1))
		j := i + int(b%uint(len(p)-i+1))
		whole, cut := fed(p), fed(p[:i], p[i:j], p[j:])
		if !reflect.DeepEqual(whole, cut) {
			t.Errorf("cut at %d and %d: %q, whole: %q", i, j, cut, whole)
		}
	})
}

// The first frame is told at once; of a flood no more than maxPassed every passEvery, and how many there were.
func TestTeller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type telling struct {
			at             time.Duration
			frames, missed int
		}
		begun := time.Now()
		var told []telling
		teller := teller{tell: func(frames []passed, missed int) {
			told = append(told, telling{time.Since(begun), len(frames), missed})
		}}
		add := func(n int) {
			for range n {
				teller.add(true, frame.Header{Fin: true, Opcode: frame.Text}, []byte{0x81, 0}, 0)
			}
		}
		add(1)
		synctest.Wait()
		add(1000)
		time.Sleep(passEvery)
		synctest.Wait()
		add(2)
		time.Sleep(10 * passEvery)
		add(1) // is told at once, and others might follow it or not
		synctest.Wait()
		want := []telling{{0, 1, 0}, {passEvery, maxPassed, 1000 - maxPassed}, {2 * passEvery, 2, 0}, {11 * passEvery, 1, 0}}
		if !reflect.DeepEqual(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// console is an echo that is watched, its hub, and a client that is told of the frames.
type console struct {
	t      *testing.T
	frames *Frames
	url    string // of the echo
	client *client.Client
	told   chan passage
}

func newConsole(t *testing.T) *console {
	t.Helper()
	g := New(Options{Logger: mute})
	c := &console{t: t, frames: g.Frames, told: make(chan passage, 100)}
	hub := httptest.NewServer(g.Hub)
	server := &ws.Server{Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		h, o := g.Frames.Watch(r.Query(), ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
			c.Write(context.Background(), typ, p)
		}), &ws.AcceptOptions{AnyOrigin: true})
		return h, o, nil
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		g.Hub.Close()
		hub.Close()
		server.Close()
		<-served
	})
	c.url = "ws://" + ln.Addr().String() + "/echo"
	if c.client, err = client.Dial(t.Context(), hub.URL, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.client.Close(context.Background()) })
	room, err := c.client.Room("echo:"+pageID, nil)
	if err != nil {
		t.Fatal(err)
	}
	client.OnMessage(room, "frames", func(_ context.Context, p passage, _ client.Meta) { c.told <- p })
	live := make(chan struct{})
	room.OnLive(func(context.Context) { close(live) })
	if err := room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-live
	return c
}

func (c *console) dial(query string, header http.Header) (*ws.Conn, *http.Response, error) {
	c.t.Helper()
	conn, resp, err := ws.Dial(c.t.Context(), c.url+query, &ws.DialOptions{Header: header})
	if err == nil {
		c.t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, resp, err
}

// passes waits for as many frames of a connection as are wanted, and compares them, but for their keys.
func (c *console) passes(connection int, want ...string) {
	c.t.Helper()
	var got []string
	for len(got) < len(want) {
		select {
		case p := <-c.told:
			if p.Connection != connection || p.Missed != 0 {
				c.t.Fatalf("told of %+v", p)
			}
			for _, f := range p.Frames {
				if head := strings.Fields(f.Header); f.Masked {
					f.Header = strings.Join(head[:len(head)-4], " ")
				}
				text, _ := json.Marshal(f)
				got = append(got, string(text))
			}
		case <-time.After(20 * time.Second):
			c.t.Fatalf("passed %q, want %q", got, want)
		}
	}
	if !reflect.DeepEqual(got, want) {
		c.t.Fatalf("passed %q, want %q", got, want)
	}
}

func TestFrames(t *testing.T) {
	c := newConsole(t)
	conn, _, err := c.dial("?frames="+pageID+"&connection=7", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"hi", strings.Repeat("x", 300)} {
		conn.Write(t.Context(), ws.Text, []byte(text))
		if _, p, err := conn.Read(t.Context()); err != nil || string(p) != text {
			t.Fatalf("%q came back, %v", p, err)
		}
		heads := []string{"81 82", "81 02"}
		if i == 1 {
			heads = []string{"81 fe 01 2c", "81 7e 01 2c"}
		}
		rest := `"opcode":"text","fin":true,"rsv1":false,"masked":%v,"length":` + fmt.Sprint(len(text)) + `,"header":"%s"}`
		c.passes(7, fmt.Sprintf(`{"sent":true,"message":%d,`+rest, i, true, heads[0]), fmt.Sprintf(`{"sent":false,"message":%d,`+rest, i, false, heads[1]))
	}

	// The server pings.
	go conn.Read(t.Context())
	if ms, err := client.Call[string, float64](t.Context(), c.client, "echo.ping", pageID); err != nil || ms <= 0 {
		t.Errorf("the ping took %v ms, %v", ms, err)
	}
	c.passes(7, `{"sent":false,"message":-1,"opcode":"ping","fin":true,"rsv1":false,"masked":false,"length":8,"header":"89 08"}`,
		`{"sent":true,"message":-1,"opcode":"pong","fin":true,"rsv1":false,"masked":true,"length":8,"header":"8a 88"}`)

	// It ends.
	conn.Close(ws.StatusNormalClosure, "")
	end := `"message":-1,"opcode":"close","fin":true,"rsv1":false,"masked":%v,"length":2,"header":"88 %s"}`
	c.passes(7, fmt.Sprintf(`{"sent":true,`+end, true, "82"), fmt.Sprintf(`{"sent":false,`+end, false, "02"))
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := client.Call[string, float64](t.Context(), c.client, "echo.ping", pageID)
		if codeOf(err) == "echo.gone" && c.frames.count() == 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("pinged what has ended: %v; %d are watched", err, c.frames.count())
		}
	}
}

func (f *Frames) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watched
}

// Who does not ask, or not rightly, gets the handler and the options as they are.
func TestFramesOfNobody(t *testing.T) {
	f := New(Options{Logger: mute}).Frames
	defer f.hub.Close()
	h, o := ws.HandlerFunc(nil), &ws.AcceptOptions{AnyOrigin: true}
	for _, query := range []string{
		"", "frames=" + pageID, "connection=1", "frames=" + pageID + "&connection=-1", "frames=" + pageID + "&connection=x",
		"frames=" + pageID + "&connection=2147483648", "frames=" + pageID[1:] + "&connection=1", "frames=" + pageID + "0&connection=1",
		"frames=" + strings.ToUpper(pageID) + "&connection=1", "frames=" + pageID[1:] + ":&connection=1",
	} {
		values, _ := url.ParseQuery(query)
		if _, got := f.Watch(values, h, o); got != o {
			t.Errorf("%q is watched", query)
		}
	}
	values, _ := url.ParseQuery("frames=" + pageID + "&connection=2147483647")
	if _, got := f.Watch(values, h, o); got == o || got.AnyOrigin || !o.AnyOrigin {
		t.Error("it is not watched, or for any page")
	}
}

func TestFramesAreOfThisSite(t *testing.T) {
	c := newConsole(t)
	elsewhere := http.Header{"Origin": {"https://elsewhere.example"}}
	if _, resp, err := c.dial("?frames="+pageID+"&connection=1", elsewhere); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("from elsewhere: %v", err)
	}
	if _, _, err := c.dial("", elsewhere); err != nil {
		t.Errorf("from elsewhere, unwatched: %v", err)
	}
	if n := c.frames.count(); n != 0 {
		t.Errorf("%d are watched", n)
	}
}

func TestFramesRoom(t *testing.T) {
	c := newConsole(t)
	for name, code := range map[string]string{"echo:x": "echo.id", "echo:" + strings.ToUpper(pageID): "echo.id", "echo:*": "forbidden"} {
		room, err := c.client.Room(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := codeOf(room.Join(t.Context())); got != code {
			t.Errorf("%s: %q, want %q", name, got, code)
		}
	}
	room, _ := c.client.Room("echo:"+pageID, nil)
	if _, err := room.Send(t.Context(), "frames", passage{}); codeOf(err) != "guest.read-only" {
		t.Errorf("a guest told of frames: %v", err)
	}
}

// No more than maxWatched are watched. The others work as well.
func TestFramesOfTooMany(t *testing.T) {
	f := New(Options{Logger: mute}).Frames
	defer f.hub.Close()
	values, _ := url.ParseQuery("frames=" + pageID + "&connection=1")
	var taps []net.Conn
	for range maxWatched {
		_, o := f.Watch(values, ws.HandlerFunc(nil), &ws.AcceptOptions{})
		a, b := net.Pipe()
		defer b.Close()
		taps = append(taps, o.Wrap(a))
	}
	_, o := f.Watch(values, ws.HandlerFunc(nil), &ws.AcceptOptions{})
	a, b := net.Pipe()
	defer b.Close()
	if nc := o.Wrap(a); nc != a {
		t.Error("one too many is watched")
	}
	for _, nc := range taps {
		nc.Close()
		nc.Close()
	}
	if n := f.count(); n != 0 {
		t.Errorf("%d are still watched", n)
	}
}

// A tap changes nothing, also where a stream takes or gives less than all, or fails.
func TestTapIsTransparent(t *testing.T) {
	f := New(Options{Logger: mute}).Frames
	defer f.hub.Close()
	stream, _ := wire()
	a, b := wstest.Pipe()
	defer b.Close()
	x := &tap{Conn: short{a}, frames: f, told: teller{tell: func([]passed, int) {}}}
	got := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(b)
		got <- all
	}()
	for rest := stream; len(rest) > 0; {
		n, err := x.Write(rest)
		if rest = rest[n:]; err != nil && !errors.Is(err, io.ErrShortWrite) {
			t.Fatal(err)
		}
	}
	x.Close()
	if all := <-got; !bytes.Equal(all, stream) {
		t.Errorf("%d bytes came through, of %d", len(all), len(stream))
	}
	next, found := x.out, 0
	next.feed([]byte{0x81, 0}, func(_ frame.Header, _ []byte, message int) { found = message })
	if x.out.message != 6 || found != 6 { // it stands behind the last frame
		t.Errorf("saw %+v, and then message %d", x.out, found)
	}
	if _, err := x.Write(stream); err == nil || x.out.message != 6 {
		t.Errorf("writing to what is closed: %v, %d messages", err, x.out.message)
	}
}

// short takes a part of what is long.
type short struct{ net.Conn }

func (s short) Write(p []byte) (int, error) {
	if len(p) <= 7 {
		return s.Conn.Write(p)
	}
	n, err := s.Conn.Write(p[:7])
	if err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}
