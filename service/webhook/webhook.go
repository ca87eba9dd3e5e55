package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/tidewire/tidewire/service/token"
)

// Webhook asks and tells one application. All its methods may be called at the same time. Close ends it.
type Webhook struct {
	set      Options
	keys     [][]byte
	verifier *token.Verifier
	client   http.Client
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	complain complaints
	count    counters
	underWay atomic.Int64
	turn     atomic.Int32 // what the log has still to hear of the breaker

	queue chan *departure
	all   sync.WaitGroup // questions, and who tells
	stop  chan struct{}  // closed by Close: what is in the queue is the last
	idle  chan struct{}  // closed when all is done
	ctx   context.Context
	kill  context.CancelFunc

	mu     sync.RWMutex
	closed bool
}

// The breaker opens when that many questions in a row got no answer, or of many in breakerInterval half. After breakerOpen
// one question is let through, whose answer closes it.
const (
	breakerRow      = 5
	breakerMany     = 20
	breakerInterval = time.Minute // some time-outs in a row fit in
	breakerOpen     = 5 * time.Second
)

// New makes a Webhook. The error says which option makes no sense; it repeats neither the URL nor a secret.
func New(o Options) (*Webhook, error) {
	keys, err := keysOf(o.Secrets)
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.Secrets: %w", err)
	}
	set, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Webhook{
		set: set, keys: keys, verifier: set.Verifier, complain: complaints{log: set.Logger},
		queue: make(chan *departure, set.Queue), stop: make(chan struct{}), idle: make(chan struct{}),
	}
	w.set.Secrets = nil
	w.ctx, w.kill = context.WithCancel(context.Background())
	w.client = http.Client{
		Transport:     set.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if set.Transport == nil {
		w.client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: set.Timeout}).DialContext,
			TLSHandshakeTimeout:    set.Timeout,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        set.UnderWay + tellers,
			MaxIdleConnsPerHost:    min(set.UnderWay, 64),
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true,
		}
	}
	w.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1, Interval: breakerInterval, Timeout: breakerOpen,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= breakerRow || c.Requests >= breakerMany && c.TotalFailures*2 >= c.Requests
		},
		IsSuccessful: func(err error) bool { return err == nil },
		IsExcluded:   func(err error) bool { return err == errGone },
		OnStateChange: func(_ string, from, to gobreaker.State) { // with the breaker's lock held
			switch gobreaker.StateClosed {
			case from:
				w.count.opened.Add(1)
				w.turn.Store(turnedDown)
			case to:
				w.turn.Store(turnedUp)
			}
		},
	})
	if w.has(Disconnect) {
		for range tellers {
			w.all.Go(w.tell)
		}
	}
	return w, nil
}

// What the breaker may do.
const (
	turnedDown = iota + 1
	turnedUp
)

func (w *Webhook) turned(up bool) {
	if up {
		w.set.Logger.Info("webhook: the application answers again")
	} else {
		w.set.Logger.Warn("webhook: the application counts as down, and is asked once in a while", "every", breakerOpen)
	}
}

func (w *Webhook) has(e Event) bool { return slices.Contains(w.set.Events, e) }

// begin counts a question, unless the Webhook is closed.
func (w *Webhook) begin() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.closed {
		w.all.Add(1)
	}
	return !w.closed
}

// Close lets no question in any more (WhenDown decides), tells what is still to be told, and returns when that is done and the last question
// is answered. When ctx ends first, what is under way is broken off and the rest dropped and counted, and ctx's error returned. It comes after
// the Hub's Shutdown, whose last sessions have to be told of.
func (w *Webhook) Close(ctx context.Context) error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if first {
		close(w.stop)
		go func() {
			w.all.Wait()
			w.kill()
			if w.set.Transport == nil {
				w.client.CloseIdleConnections()
			}
			close(w.idle)
		}()
	}
	select {
	case <-w.idle:
		return nil
	case <-ctx.Done():
	}
	w.kill()
	<-w.idle
	return context.Cause(ctx)
}

// newID returns an id for a request.
func newID() string { return "msg_" + rand.Text() }
