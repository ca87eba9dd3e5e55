package talk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Talk is a conversation with one peer, over one connection after the other. It
// is for one Run.
type Talk struct {
	// Connect opens a connection, or waits for one that comes.
	Connect func(ctx context.Context) (Peer, error)

	Input  *Input
	Screen *Screen

	// First is said, or done, at the beginning of each connection.
	First []Item

	Expectation Expectation

	// Wait is how long to go on when Input has ended and nothing is expected.
	Wait time.Duration

	// Timeout bounds the wait for what is expected. 0 means no bound.
	Timeout time.Duration

	// Again says that another connection follows one that has ended.
	Again bool

	// Backoff is the wait before it, and before another attempt; the zero value is no wait.
	Backoff Backoff

	// Commands are carried out where a person types.
	Commands []Command

	said   bool       // all of Input, with which it is finished
	unsent *Item      // was taken from Input and has not been said
	seeing sync.Mutex // guards what Expectation has seen, and heard
	heard  time.Time  // when the latest message came
	met    chan struct{}
	failed chan error // what goes wrong apart from the connection
	over   <-chan time.Time
}

// Run talks until Input has ended, or the peer has, or what was expected came, or
// ctx ends.
func (t *Talk) Run(ctx context.Context) error {
	t.met, t.failed = make(chan struct{}), make(chan error, 1)
	defer t.Input.Stop()
	if t.Timeout > 0 {
		timer := time.NewTimer(t.Timeout)
		defer timer.Stop()
		t.over = timer.C
	}
	for attempt := 0; ; {
		p, err := t.connect(ctx)
		if err == nil {
			began := time.Now()
			var again bool
			if again, err = t.converse(ctx, p); !again {
				return err
			}
			if time.Since(began) > t.Backoff.Max { // it had lasted
				attempt = 0
			}
		}
		var final Final
		switch {
		case ctx.Err() != nil:
			return t.stopped()
		case errors.Is(err, ErrUnseen):
			return err
		case err != nil && (!t.Again || errors.As(err, &final)):
			return err
		}
		wait := t.Backoff.wait(attempt)
		attempt++
		switch {
		case err != nil && t.Backoff.Min > 0:
			t.Screen.Note("%v; connecting again in %v", err, wait.Round(10*time.Millisecond))
		case err != nil:
			t.Screen.Note("%v; waiting for the next connection", err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return t.stopped()
		case <-t.over:
			timer.Stop()
			return t.unseen()
		}
	}
}

// stopped is what Run returns when somebody has ended it.
func (t *Talk) stopped() error {
	if t.Expectation.Asks() && !t.hasCome() {
		return marked{errors.New("stopped: " + t.missing()), ErrUnseen}
	}
	return nil
}

func (t *Talk) unseen() error {
	return marked{fmt.Errorf("after %v: %s (--timeout)", t.Timeout, t.missing()), ErrUnseen}
}

// hasCome reports whether all that is expected has come. It may not be written yet.
func (t *Talk) hasCome() bool {
	t.seeing.Lock()
	defer t.seeing.Unlock()
	return t.Expectation.Met()
}

// isMet reports whether all that is expected has come, and is written.
func (t *Talk) isMet() bool {
	select {
	case <-t.met:
		return true
	default:
		return false
	}
}

// talks reports whether something has come just now.
func (t *Talk) talks() bool {
	t.seeing.Lock()
	defer t.seeing.Unlock()
	return time.Since(t.heard) < justNow
}

// justNow is how long a peer has not fallen silent.
const justNow = 2 * time.Second

// missing says what has not come, while more may come.
func (t *Talk) missing() string {
	t.seeing.Lock()
	defer t.seeing.Unlock()
	return t.Expectation.Missing()
}

// connect opens a connection, while Timeout has not passed.
func (t *Talk) connect(ctx context.Context) (Peer, error) {
	type result struct {
		peer Peer
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer t.Screen.Prompt.Guard()
		p, err := t.Connect(ctx)
		done <- result{p, err}
	}()
	var r result
	timedOut := false
	select {
	case r = <-done:
	case <-t.over:
		timedOut = true
		cancel()
		if r = <-done; r.err == nil {
			r.peer.Abort()
		}
	}
	switch {
	case timedOut:
		return nil, t.unseen()
	case r.err != nil:
		return nil, marked{r.err, ErrUnreached}
	}
	return r.peer, nil
}

// leaving bounds the wait for a connection that was ended from here.
const leaving = 7 * time.Second

// converse talks over one connection. again says that another one is to follow,
// after err.
func (t *Talk) converse(ctx context.Context, p Peer) (again bool, err error) {
	talking, cancel := context.WithCancel(context.Background())
	saying, hush := context.WithCancel(talking)
	ended := make(chan End, 1)
	sent := make(chan error, 1)
	var group sync.WaitGroup
	defer func() {
		cancel()
		hush()
		group.Wait()
	}()
	group.Go(func() {
		defer t.Screen.Prompt.Guard()
		end := p.Receive(talking, t.receive)
		t.flush()
		ended <- end
	})
	group.Go(func() {
		defer t.Screen.Prompt.Guard()
		sent <- t.send(saying, p)
	})
	var (
		finishing bool
		verdict   error            // with which it is finished
		quiet     <-chan time.Time // when Wait has passed
		stuck     <-chan time.Time // when the peer has had time enough
		met, fail = t.met, t.failed
		lost      = t.Screen.Lost()
		done      = ctx.Done()
		over      = t.over
	)
	finish := func(why error, within <-chan time.Time) {
		if finishing {
			return
		}
		finishing, verdict = true, why
		met, over, quiet = nil, nil, nil
		hush() // nobody waits for an answer any more
		stuck = within
		p.Finish(ws.StatusNormalClosure, "")
	}
	soon := func() <-chan time.Time { return time.After(leaving) }
	for {
		select {
		case end := <-ended:
			cancel()
			if sent != nil { // it may hold what has not been said, or have finished the connection
				finishing = errors.Is(<-sent, errLeaving) || finishing
			}
			return t.judge(end, finishing, verdict)
		case err := <-sent:
			sent = nil
			switch {
			case errors.Is(err, errLeaving): // a command has finished it
				finishing, met, over, quiet = true, nil, nil, nil
				stuck = time.After(leaving)
			case err != nil: // then Receive will say how the connection ended, unless it is the input
				var bad badInput
				if errors.As(err, &bad) {
					finish(bad.error, soon())
				}
			case t.Expectation.Asks(): // and what is expected may still come
			case t.Wait > 0:
				timer := time.NewTimer(t.Wait)
				defer timer.Stop()
				quiet = timer.C
			default:
				t.said = true
				finish(nil, nil) // the peer may say the rest
			}
		case <-met:
			finish(nil, soon())
		case err := <-fail: // and nobody waits for the peer to close, too
			fail = nil
			finish(err, nil)
			verdict = err // whatever it was finished with
			p.Abort()
		case <-lost:
			lost = nil
			t.flush()
		case <-quiet:
			t.said = true
			finish(nil, nil)
		case <-over:
			if over = nil; !t.hasCome() {
				finish(t.unseen(), soon())
			}
		case <-done:
			if finishing {
				p.Abort()
			} else {
				finish(t.stopped(), soon())
			}
			done = nil
		case <-stuck:
			stuck = nil
			t.Screen.Hurry()
			p.Abort()
		}
	}
}

// judge says what an ended connection means.
func (t *Talk) judge(end End, finishing bool, verdict error) (again bool, err error) {
	select {
	case err := <-t.failed:
		return false, err
	default:
	}
	if finishing {
		switch {
		case verdict != nil || !t.said:
		case end.Err != nil:
			return false, marked{fmt.Errorf("%v, and the peer may not have all of the input", end), ErrBroken}
		case end.Cut && t.talks():
			return false, marked{errors.New("closed before the peer had finished: it still talks, or what it says is not taken in time"), ErrBroken}
		}
		if verdict == nil && t.Screen.Prompt != nil {
			t.Screen.Note("%v", end)
		}
		return false, verdict
	}
	if t.isMet() {
		return false, nil
	}
	switch {
	case t.Again && !end.Final && end.Well():
		t.Screen.Note("%v", end)
		return true, nil
	case t.Again && !end.Final:
		return true, fmt.Errorf("%v", end)
	case t.Expectation.Asks():
		return false, marked{fmt.Errorf("%s: %v", t.missing(), end), ErrUnseen}
	case !end.Well():
		return false, marked{errors.New(end.String()), ErrBroken}
	case t.unsent != nil:
		return false, marked{fmt.Errorf("%v, and not all of the input has been sent", end), ErrBroken}
	}
	if t.Screen.Prompt != nil || end.Reason != "" {
		t.Screen.Note("%v", end)
	}
	return false, nil
}

// receive takes what the peer says.
func (t *Talk) receive(m Message) {
	if t.isMet() {
		return // what comes now is not asked for
	}
	if err := t.Screen.Received(m); err != nil {
		t.unwritten(err)
		return
	}
	if m.isNote() {
		return
	}
	t.seeing.Lock()
	t.heard = time.Now()
	t.Expectation.See(m)
	met := t.Expectation.Met()
	t.seeing.Unlock()
	if met {
		t.flush() // however long that takes: what is asked for is had then
		close(t.met)
	}
}

// flush has all written that was received.
func (t *Talk) flush() {
	if err := t.Screen.Flush(); err != nil {
		t.unwritten(err)
	}
}

func (t *Talk) unwritten(err error) { t.fail(fmt.Errorf("what came cannot be written: %w", err)) }

func (t *Talk) fail(err error) {
	select {
	case t.failed <- err:
	default: // one is enough
	}
}

// badInput is input that cannot be sent.
type badInput struct{ error }

// errLeaving is what a command returns that has finished the connection.
var errLeaving = errors.New("leaving")

// send says what is to be said, until Input has ended, which is no error.
func (t *Talk) send(ctx context.Context, p Peer) error {
	for _, it := range t.First {
		if err := t.Screen.Sent(it.said()); err != nil {
			return badInput{err}
		}
		if err := t.do(ctx, p, it); err != nil {
			return err
		}
	}
	for {
		if t.unsent == nil {
			select {
			case it, ok := <-t.Input.Items():
				if !ok {
					if err := t.Input.Err(); err != nil {
						return badInput{err}
					}
					return nil
				}
				t.unsent = &it
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := t.do(ctx, p, *t.unsent)
		if err == nil || t.unsent.Command != "" {
			t.unsent = nil
		}
		if err != nil {
			return err
		}
	}
}

// do says what is to be said, or does what is to be done.
func (t *Talk) do(ctx context.Context, p Peer, it Item) error {
	if it.Command != "" {
		return t.carryOut(ctx, p, it.Command)
	}
	return t.say(ctx, p, it.Message)
}

func (t *Talk) say(ctx context.Context, p Peer, m Message) error {
	if err := p.Send(ctx, m); err != nil {
		var bad badInput
		if errors.As(err, &bad) {
			return t.wrong(bad.error)
		}
		return err
	}
	return nil
}
