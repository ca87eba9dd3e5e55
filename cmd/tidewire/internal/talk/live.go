package talk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Live is for Talk, as Connect is: a Peer that is a hub of package live, to which LiveCommands speak. It
// comes back by itself when its connection is lost, until the hub sends it away. What it
// receives are events, each a line of JSON.
func (d *Dialer) Live(ctx context.Context) (Peer, error) {
	p := &live{dialer: d, opened: make(chan client.State, 1), reading: make(chan struct{}), telling: make(chan struct{}, 1), next: make(chan struct{}), rooms: map[string]*liveRoom{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	dial, proxied := d.webSocketOptions()
	o := client.Options{
		DialOptions: dial, OnState: p.changed, MaxSend: maxMessage, // a hub that takes less says so
		Inbox: client.Inbox{Max: maxInbox, MaxBytes: maxInboxBytes},
		Lazy:  true, // OnOther comes before there is a connection
	}
	if d.Token != nil {
		o.Token = p.token
	}
	ctx, cancel := context.WithTimeout(ctx, 2*d.timeout()) // for the handshake, and as long for $hello
	defer cancel()
	c, err := client.Dial(ctx, d.Target.URL, &o)
	if err != nil {
		p.stop()
		return nil, err
	}
	p.client = c
	c.OnOther(func(_ context.Context, m *client.Message) { p.tell(messageEvent("message", m)) })
	var s client.State
	select {
	case s = <-p.opened:
	case <-ctx.Done():
		if s.Err = ctx.Err(); p.asking.Load() {
			s.Err = errors.New("no token has come, which is waited for") // see TokenFile
		}
	}
	if s.Phase != client.Open {
		p.over = true // what was said already is nobody's
		close(p.reading)
		p.Finish(0, "")
		p.closing.Wait()
		p.stop()
		return nil, d.liveRefused(s.Err, *proxied)
	}
	p.first = s
	return p, nil
}

// What may wait for the output: the most that /join asks for, and whatever is said meanwhile.
const (
	maxInbox      = 64 << 10
	maxInboxBytes = 64 << 20
)

type live struct {
	dialer  *Dialer
	client  *client.Client
	ctx     context.Context // ends with Abort
	stop    context.CancelFunc
	finish  sync.Once
	closing sync.WaitGroup

	asking  atomic.Bool       // for a token
	opened  chan client.State // how the first attempt has ended
	first   client.State      // the same, of who is let in
	reading chan struct{}     // is closed once deliver is set
	deliver func(Message)
	telling chan struct{} // held by who tells an event: one at a time
	over    bool          // the last one was told; guarded by telling

	mu    sync.Mutex // guards what follows
	rooms map[string]*liveRoom
	end   error         // why it was ended from here; nil: as asked
	told  client.State  // the last one that changed has seen to
	next  chan struct{} // is closed when there is another one

	// For commands, which are carried out one after the other.
	room string // that is spoken to; "" is none
	typ  string // of what is said next

	// For changed.
	last client.State
}

// changed tells of the connection's states, but for the first one: Live and Receive look at that.
func (p *live) changed(s client.State) {
	defer p.toldOf(s)
	if s.Phase == client.Connecting {
		return
	}
	last := p.last
	p.last = s
	switch {
	case last.Phase == "":
		p.opened <- s
	case s.Phase == client.Waiting:
		p.tellNow(&event{Event: "lost", Reason: lostText(s.Err), Wait: s.Wait.Milliseconds()})
	case s.Phase == client.Open && last.Phase == client.Waiting || s.Phase == client.Open && last.Phase == client.Open && s.User != last.User:
		p.tellNow(&event{Event: "connected", User: s.User, Session: s.Session})
	}
	switch {
	case s.Phase != client.Open || s.Degraded == last.Degraded:
	case s.Degraded:
		p.tellNow(&event{Event: "degraded"})
	default:
		p.tellNow(&event{Event: "restored"})
	}
}

func (p *live) toldOf(s client.State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = s
	close(p.next)
	p.next = make(chan struct{})
}

// lostText says why there is no connection.
func lostText(err error) string {
	var closed *ws.CloseError
	if errors.As(err, &closed) {
		return endOf(err).String()
	}
	return strings.TrimPrefix(plainText(err), "ws: ")
}

// plainText is an error of package client's without its prefix.
func plainText(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "client: "), "connection: ")
}

func as(user string) string {
	if user == "" {
		return ""
	}
	return " as " + user
}

// token asks for the token, and gives up where there is none that would do.
func (p *live) token(ctx context.Context, why client.Reason) (string, error) {
	p.asking.Store(true)
	token, err := p.dialer.Token(ctx, why)
	p.asking.Store(false)
	if final := (Final{}); errors.As(err, &final) {
		p.mu.Lock()
		p.end = final
		p.mu.Unlock()
		p.stop()
	}
	return token, err
}

// tell hands an event over, after word of the connection that it came by: the client calls for states and
// for messages from goroutines of their own, and what a hub says before it has let one in comes ahead of that.
func (p *live) tell(e *event) {
	for {
		now := p.client.State()
		p.mu.Lock()
		told, next := p.told, p.next
		p.mu.Unlock()
		if told.Phase == now.Phase && told.Session == now.Session && now.Phase != client.Connecting {
			break
		}
		select {
		case <-next:
		case <-p.ctx.Done():
			return
		}
	}
	p.tellNow(e)
}

// tellNow is tell for a state.
func (p *live) tellNow(e *event) {
	select {
	case <-p.reading:
	case <-p.ctx.Done():
		return
	}
	m := e.message(p.client.State().Session)
	p.telling <- struct{}{}
	defer func() { <-p.telling }()
	if !p.over {
		p.deliver(m)
	}
}

// Send says what a person or a script has said without a command.
func (p *live) Send(ctx context.Context, m Message) error {
	if p.typ == "" {
		return mistake("not sent: of which type is it? /send TYPE DATA says so, and what follows is of the same")
	}
	err := p.unlessOver(p.publish(ctx, p.typ, string(m.Data)))
	switch bad := (badInput{}); {
	case err == nil || err == errOver:
		return err
	case errors.As(err, &bad):
		return mistake("not sent: %w", bad.error)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return badInput{marked{errors.New(plainText(err)), ErrBroken}}
}

// errOver is of a connection that will not come back: Receive says why.
var errOver = errors.New("the connection is over")

// unlessOver is err, or errOver.
func (p *live) unlessOver(err error) error {
	if err != nil && p.client.Err() != nil {
		return errOver
	}
	return err
}

func (p *live) Receive(ctx context.Context, f func(Message)) End {
	defer p.stop()
	p.deliver = f
	f((&event{Event: "connected", User: p.first.User, Session: p.first.Session, quiet: true}).message(p.first.Session))
	close(p.reading)
	select {
	case <-p.client.Done():
	case <-p.ctx.Done():
	case <-ctx.Done():
		p.stop()
	}
	p.Finish(0, "")
	p.closing.Wait()
	p.telling <- struct{}{}
	p.over = true
	<-p.telling
	p.mu.Lock()
	defer p.mu.Unlock()
	switch err := p.client.Err(); {
	case p.end != nil:
		return End{By: ws.Policy, Err: p.end, Final: true}
	case errors.Is(err, client.ErrSentAway):
		end := endOf(err)
		end.Final = true
		return end
	}
	return End{By: ws.Us}
}

// Finish waits for what was said to be answered and heard, and closes with 1000 whatever code is.
func (p *live) Finish(ws.StatusCode, string) error {
	p.finish.Do(func() {
		p.closing.Go(func() {
			p.hearOwn(p.ctx)
			ctx, cancel := context.WithTimeout(p.ctx, leaving)
			defer cancel()
			p.client.Close(ctx)
		})
	})
	return nil
}

func (p *live) Abort() {
	p.stop()
	p.Finish(0, "")
}

func (p *live) Ping(ctx context.Context) (time.Duration, error) { return p.client.Ping(ctx) }

func (p *live) String() string { return p.dialer.Target.String() + as(p.client.State().User) }

// isLive is what to try where nobody speaks the protocol.
const isLive = " (is this a live endpoint? That of tidewire serve is /live; without --live connect talks to any other)"

// liveRefused tells of a Dial that failed.
func (d *Dialer) liveRefused(err error, proxied *url.URL) error {
	var answer *client.HandshakeError
	var refusal *client.Error
	what := d.Target.String()
	switch {
	case errors.As(err, &answer):
		return refused(answer.Unwrap(), answer.Response, &d.Target, proxied)
	case errors.As(err, &refusal):
		try := ""
		switch {
		case refusal.Code == protocol.CodeUnauthorized && d.Token == nil:
			try = " (it wants to know who you are: --token-file with a token, or --token)"
		case refusal.Code == protocol.CodeUnauthorized, refusal.Code == protocol.CodeExpired:
			try = " (is the token whole, in time, and made for this hub?)"
		case refusal.Code == protocol.CodeUnknownType: // it echoes, and so has asked us
			try = isLive
		}
		err := fmt.Errorf("%s: the hub does not let you in: %w%s", what, refusal, try)
		if refusal.Retryable {
			return err
		}
		return Final{err}
	case errors.Is(err, client.ErrSentAway):
		return Final{fmt.Errorf("%s: %v", what, endOf(err))}
	}
	var chain interface{ Unwrap() []error }
	if errors.As(err, &chain) {
		err = chain.Unwrap()[0]
	}
	if err == context.DeadlineExceeded { // and not the handshake's
		return fmt.Errorf("%s: no answer came to $hello%s", what, isLive)
	}
	return refused(err, nil, &d.Target, proxied)
}

// payload is the data of a message of that type.
func payload(typ, text string) (json.RawMessage, error) {
	e := protocol.CheckType(typ)
	switch {
	case e != nil:
		return nil, mistaken(e)
	case typ[0] == '$':
		return nil, mistake("type %q belongs to the protocol", typ)
	}
	return parseData(text)
}

// parseData makes JSON of what was typed: it is JSON, or text.
func parseData(text string) (json.RawMessage, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return json.RawMessage("null"), nil
	case json.Valid([]byte(text)):
		return json.RawMessage(text), nil
	case strings.ContainsAny(text[:1], `{["`):
		var v any
		return nil, mistake("it looks like JSON and is none: %v", json.Unmarshal([]byte(text), &v))
	}
	return encodeJSON(text)
}
