package gallery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

const (
	echoRooms  = "echo:*" // a room for each page: its id is a secret of that page
	echoID     = 32       // hex digits
	maxWatched = 200      // connections that are watched at once
	maxPassed  = 64       // frames that a page is told of at once
	passEvery  = 100 * time.Millisecond
	pingWait   = 5 * time.Second
)

// Frames tells pages which frames pass on their WebSocket connections: a browser does not show them.
type Frames struct {
	hub     *live.Hub
	mu      sync.Mutex // guards what follows
	watched int
	conns   map[string]*ws.Conn // by the id of the page; the latest of each
}

// passed is a frame that has passed. It says nothing of the payload but its size.
type passed struct {
	Sent    bool   `json:"sent"`    // by the page; otherwise it came from the server
	Message int    `json:"message"` // which one of that direction it is a part of; -1: a control frame
	Opcode  string `json:"opcode"`
	Fin     bool   `json:"fin"`
	RSV1    bool   `json:"rsv1"` // the message is compressed
	Masked  bool   `json:"masked"`
	Length  int64  `json:"length"` // of the payload
	Header  string `json:"header"` // hex: "81 05"
}

// passage is what a page is told at once: frames in the order in which they were seen, and how many more there were.
type passage struct {
	Connection int      `json:"connection"` // the page's own number for it
	Frames     []passed `json:"frames"`
	Missed     int      `json:"missed"`
}

func newFrames(hub *live.Hub) *Frames {
	f := &Frames{hub: hub, conns: map[string]*ws.Conn{}}
	hub.ConfigureRooms(echoRooms, live.RoomOptions{
		CanJoin: func(_ context.Context, _ *live.Session, room, _ string) error {
			if !isEchoID(strings.TrimPrefix(room, "echo:")) {
				return &live.Error{Code: "echo.id", Message: fmt.Sprintf("an id has %d hex digits", echoID)}
			}
			return nil
		},
		CanPublish: serverOnly,
	})
	live.Handle(hub, "echo.ping", f.ping)
	return f
}

func isEchoID(id string) bool {
	return len(id) == echoID && strings.Trim(id, "0123456789abcdef") == ""
}

// ping pings the page's connection, and returns the round trip in milliseconds.
func (f *Frames) ping(ctx context.Context, _ *live.Session, id string) (float64, error) {
	f.mu.Lock()
	c := f.conns[id]
	f.mu.Unlock()
	if c == nil {
		return 0, &live.Error{Code: "echo.gone", Message: "there is no connection to ping"}
	}
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	took, err := c.Ping(ctx)
	if err != nil {
		return 0, &live.Error{Code: "echo.silent", Message: "no pong came"}
	}
	return float64(took.Microseconds()) / 1000, nil
}

// Watch has a page told of the frames on a connection that is about to be accepted with h and o, if the query asks for
// that: ?frames=ID&connection=NUMBER. Pages of other sites cannot ask. Where too many are watched already this one is
// not. What the connection does is the same in any case.
func (f *Frames) Watch(query url.Values, h ws.Handler, o *ws.AcceptOptions) (ws.Handler, *ws.AcceptOptions) {
	id := query.Get("frames")
	number, err := strconv.ParseUint(query.Get("connection"), 10, 31)
	if !isEchoID(id) || err != nil {
		return h, o
	}
	own := *o
	own.AnyOrigin = false
	w := &watch{Handler: h, frames: f, id: id}
	own.Wrap = func(nc net.Conn) net.Conn {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.watched >= maxWatched {
			return nc
		}
		f.watched++
		w.taps = true
		return &tap{Conn: nc, frames: f, told: teller{tell: func(frames []passed, missed int) {
			// An error means that the hub has ended.
			f.hub.Room("echo:"+id).Publish(context.Background(), "frames", passage{int(number), frames, missed})
		}}}
	}
	return w, &own
}

// watch is the Handler of a watched connection: the pings need to know it.
type watch struct {
	ws.Handler
	frames *Frames
	id     string
	taps   bool // set before Opened
}

func (w *watch) Opened(c *ws.Conn) {
	if w.taps {
		w.frames.mu.Lock()
		w.frames.conns[w.id] = c
		w.frames.mu.Unlock()
	}
	w.Handler.Opened(c)
}

func (w *watch) Drained(c *ws.Conn) {
	if h, ok := w.Handler.(ws.DrainedHandler); ok {
		h.Drained(c)
	}
}

func (w *watch) Closed(c *ws.Conn, err error) {
	w.frames.mu.Lock()
	if w.frames.conns[w.id] == c {
		delete(w.frames.conns, w.id)
	}
	w.frames.mu.Unlock()
	w.Handler.Closed(c, err)
}

// tap is a stream that looks at what passes, and changes nothing.
type tap struct {
	net.Conn
	frames  *Frames
	told    teller
	once    sync.Once // for Close
	mu      sync.Mutex
	in, out headers
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.see(true, &t.in, p[:n])
	return n, err
}

// Write tells of the frames before they leave: the answer to one must not be told of before it. What of them did not leave then is
// not counted.
func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	before := t.out
	t.mu.Unlock()
	t.see(false, &t.out, p)
	n, err := t.Conn.Write(p)
	if n < len(p) {
		t.mu.Lock()
		t.out = before
		t.out.feed(p[:n], func(frame.Header, []byte, int) {})
		t.mu.Unlock()
	}
	return n, err
}

func (t *tap) see(sent bool, of *headers, p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of.feed(p, func(h frame.Header, raw []byte, message int) { t.told.add(sent, h, raw, message) })
}

// CloseWrite ends one half, where the stream can: a connection does that before it goes.
func (t *tap) CloseWrite() error {
	if half, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (t *tap) Close() error {
	t.once.Do(func() {
		t.frames.mu.Lock()
		t.frames.watched--
		t.frames.mu.Unlock()
	})
	return t.Conn.Close()
}

// headers finds the headers of frames in one direction of a stream, and the messages that they belong to.
type headers struct {
	frame.Scanner
	message int // how many have ended
}

// feed takes what comes next. It calls f for each header, with its bytes, which are valid until f returns, and with the
// number of the message that the frame belongs to; -1: to none. Behind what is no frame it finds nothing.
func (r *headers) feed(p []byte, f func(h frame.Header, raw []byte, message int)) {
	_ = r.Scan(p, func(h frame.Header, raw []byte) {
		if h.Opcode.IsControl() {
			f(h, raw, -1)
			return
		}
		f(h, raw, r.message)
		if h.Fin {
			r.message++
		}
	})
}

// teller gathers frames and tells of them: of the first at once, of what follows every passEvery, and of no more than
// maxPassed at once. The others it counts.
type teller struct {
	tell   func(frames []passed, missed int)
	mu     sync.Mutex // guards what follows
	frames []passed
	missed int
	waits  bool // a call of flush is to come
	told   time.Time
}

func (t *teller) add(sent bool, h frame.Header, raw []byte, message int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.frames) < maxPassed {
		t.frames = append(t.frames, passed{
			Sent: sent, Message: message, Opcode: h.Opcode.String(), Fin: h.Fin, RSV1: h.RSV&frame.RSV1 != 0,
			Masked: h.Masked, Length: h.Length, Header: fmt.Sprintf("% x", raw),
		})
	} else {
		t.missed++
	}
	if !t.waits {
		t.waits = true
		time.AfterFunc(max(0, passEvery-time.Since(t.told)), t.flush)
	}
}

func (t *teller) flush() {
	t.mu.Lock()
	frames, missed := t.frames, t.missed
	t.frames, t.missed = nil, 0
	t.mu.Unlock()
	t.tell(frames, missed)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = time.Now()
	if t.waits = len(t.frames) > 0; t.waits {
		time.AfterFunc(passEvery, t.flush)
	}
}
