package talk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A recording is lines of JSON. The first one says what it is:
//
//	{"tidewire":"recording","version":1,"role":"client","target":"ws://…","began":"2026-11-28T03:00:00Z"}
//
// and each other one is an event, with the seconds since the first connection was opened:
//
//	{"at":0,"event":"opened"}
//	{"at":0.5,"event":"sent","type":"text","data":"hi"}
//	{"at":0.6,"event":"received","type":"binary","base64":"AAE="}
//	{"at":1.2,"event":"closed","how":"closed by the peer: 1000 (normal closure)"}
type recordingHead struct {
	Tidewire string    `json:"tidewire"`
	Version  int       `json:"version"`
	Role     string    `json:"role"` // of who has recorded it: client or server
	Target   string    `json:"target"`
	Began    time.Time `json:"began"`
}

type recordedEvent struct {
	At    float64 `json:"at"` // seconds
	Event string  `json:"event"`
	jsonMessage
	How string `json:"how,omitempty"`
}

// The roles, and the events.
const (
	RoleClient = "client"
	RoleServer = "server"

	recordingVersion = 1
	eventOpened      = "opened"
	eventSent        = "sent"
	eventReceived    = "received"
	eventClosed      = "closed"
)

// Recorder writes down what passes on the connections of a Talk. Its methods may be called from any goroutine.
type Recorder struct {
	mu    sync.Mutex
	w     io.Writer
	began time.Time // when the first connection was opened
	err   error     // the first that writing met with
}

// NewRecorder begins a recording of a conversation in that role with the target, whose name holds no secrets.
func NewRecorder(w io.Writer, role, target string) *Recorder {
	r := &Recorder{w: w}
	r.write(recordingHead{"recording", recordingVersion, role, target, time.Now().UTC().Truncate(time.Millisecond)})
	return r
}

// Err is what writing has met with, if anything. Nothing is written behind it.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return fmt.Errorf("the recording cannot be written: %w", r.err)
	}
	return nil
}

func (r *Recorder) write(v any) {
	line, err := encodeJSON(v)
	if err == nil && r.err == nil {
		_, err = r.w.Write(append(line, '\n'))
	}
	if r.err == nil {
		r.err = err
	}
}

func (r *Recorder) note(event string, m *Message, how string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = time.Now()
	}
	e := recordedEvent{At: float64(time.Since(r.began).Microseconds()) / 1e6, Event: event, How: how}
	if m != nil {
		e.jsonMessage = jsonOf(*m)
	}
	r.write(e)
}

// Record returns the peer, of whose conversation it writes down all.
func (r *Recorder) Record(p Peer) Peer {
	r.note(eventOpened, nil, "")
	return &recorded{p, r}
}

type recorded struct {
	Peer
	to *Recorder
}

func (p *recorded) Send(ctx context.Context, m Message) error {
	err := p.Peer.Send(ctx, m)
	if err == nil {
		p.to.note(eventSent, &m, "")
	}
	return err
}

func (p *recorded) Receive(ctx context.Context, f func(Message)) End {
	end := p.Peer.Receive(ctx, func(m Message) {
		p.to.note(eventReceived, &m, "")
		f(m)
	})
	p.to.note(eventClosed, nil, end.String())
	return end
}

// maxRecorded bounds a line of a recording.
const maxRecorded = 2*maxMessage + 1000

// recordingReader reads a recording.
type recordingReader struct {
	lines lineReader
	head  recordingHead
	last  float64
}

func readRecording(r io.Reader) (*recordingReader, error) {
	in := &recordingReader{lines: lineReader{r: bufio.NewReaderSize(r, chunk), delimiter: '\n', max: maxRecorded}}
	line, err := in.lines.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the recording is empty")
	case err != nil:
		return nil, err
	}
	if err := strictJSON(line, &in.head); err != nil || in.head.Tidewire != "recording" {
		return nil, errors.New("this is no recording: its first line does not say so")
	}
	if in.head.Version != recordingVersion {
		return nil, fmt.Errorf("the recording has version %d; this program knows version %d", in.head.Version, recordingVersion)
	}
	if in.head.Role != RoleClient && in.head.Role != RoleServer {
		return nil, fmt.Errorf("the recording's role is %q; it must be %s or %s", in.head.Role, RoleClient, RoleServer)
	}
	return in, nil
}

// next returns the next event and, if it is one, its message; or io.EOF.
func (in *recordingReader) next() (e recordedEvent, m Message, err error) {
	line, err := in.lines.next()
	if err != nil {
		return e, m, err
	}
	bad := func(err error) (recordedEvent, Message, error) {
		return e, m, fmt.Errorf("line %d of the recording: %w", in.lines.number, err)
	}
	if err := strictJSON(line, &e); err != nil {
		return bad(err)
	}
	const longest = 1e8 // some three years
	if !(e.At >= in.last && e.At <= longest) {
		return bad(fmt.Errorf(`"at" is %v: the time does not go backwards`, e.At))
	}
	in.last = e.At
	switch e.Event {
	case eventOpened, eventClosed:
		return e, m, nil
	case eventSent, eventReceived:
	default:
		return bad(fmt.Errorf(`"event" is %q`, e.Event))
	}
	if m, err = e.message(); err != nil {
		return bad(err)
	}
	return e, m, nil
}

// Replay says what was said in a recording by the same role, at the times at which it was said, counted from when begin is
// called; the end comes when the recording's came. speed is how many times as fast; 0 leaves no time between. A file that is
// no recording is an error now, and a damaged one where the damage is. The Input reads r until its end or Stop.
func Replay(r io.Reader, role string, speed float64) (in *Input, begin func(), err error) {
	from, err := readRecording(r)
	if err != nil {
		return nil, nil, err
	}
	said := eventSent
	if from.head.Role != role {
		said = eventReceived
	}
	in = newInput(0)
	begun := make(chan struct{})
	go func() { in.end(in.replay(from, said, speed, begun)) }()
	return in, sync.OnceFunc(func() { close(begun) }), nil
}

func (in *Input) replay(from *recordingReader, said string, speed float64, begun <-chan struct{}) error {
	select {
	case <-begun:
	case <-in.stop:
		return errStopped
	}
	began := time.Now()
	for {
		e, m, err := from.next()
		if err != nil {
			return err
		}
		if speed > 0 {
			timer := time.NewTimer(time.Until(began.Add(time.Duration(e.At / speed * float64(time.Second)))))
			select {
			case <-timer.C:
			case <-in.stop:
				timer.Stop()
				return errStopped
			}
		}
		if e.Event == said {
			if err := in.put(Item{Message: m}); err != nil {
				return err
			}
		}
	}
}
