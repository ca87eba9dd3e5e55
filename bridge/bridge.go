package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Options are for all rules of a Bridge. The zero value of each field is its default.
type Options struct {
	// Client tells who sent a request, where a proxy in front is trusted to know. nil means the address that the
	// connection comes from.
	Client func(*http.Request) net.Addr

	// Logger hears of each relay that ends, of targets that cannot be reached, and at level debug of refusals. nil means
	// slog.Default().
	Logger *slog.Logger
}

// A Bridge listens as its rules say and relays what comes. Listen makes one.
type Bridge struct {
	log    *slog.Logger
	client func(*http.Request) net.Addr
	ways   []*way
	doors  []door

	draining context.Context // ends when nobody is let in any more
	drain    context.CancelFunc
	closing  context.Context // ends with what is left of the relays
	hurry    context.CancelCauseFunc
	relays   sync.WaitGroup
}

// Listen opens the sockets that the rules listen on. The caller calls Run then, or Close. o may be nil.
func Listen(rules []Rule, o *Options) (*Bridge, error) {
	if o == nil {
		o = &Options{}
	}
	b := &Bridge{log: cmp.Or(o.Logger, slog.Default()), client: o.Client}
	b.draining, b.drain = context.WithCancel(context.Background())
	b.closing, b.hurry = context.WithCancelCause(context.Background())
	if b.client == nil {
		b.client = peerOf
	}
	if err := b.open(rules); err != nil {
		b.Close()
		return nil, fmt.Errorf("bridge: %w", err)
	}
	return b, nil
}

func (b *Bridge) open(rules []Rule) error {
	if len(rules) == 0 {
		return errors.New("there are no rules")
	}
	for _, rule := range rules {
		if err := rule.check(); err != nil {
			return err
		}
		w := &way{Rule: rule.withDefaults(), bridge: b}
		w.admission.max, w.admission.maxAddress = w.MaxConnections, w.MaxAddressConnections
		b.ways = append(b.ways, w)
	}
	webs := map[string]*webDoor{}
	for _, w := range b.ways {
		if !w.Listen.web() {
			d, err := listenPlain(w)
			if err != nil {
				return err
			}
			w.enterBy(d)
			b.doors = append(b.doors, d)
			continue
		}
		where := w.Listen.network() + " " + w.Listen.addr
		if strings.HasSuffix(where, ":0") { // any free port, and so one for each scheme
			where += " " + w.Listen.scheme
		}
		d := webs[where]
		if d == nil {
			var err error
			if d, err = listenWeb(w); err != nil {
				return err
			}
			webs[where] = d
			b.doors = append(b.doors, d)
		}
		if err := d.add(w); err != nil {
			return err
		}
		w.enterBy(d)
	}
	for _, d := range webs {
		if d.scheme == schemeWSS && d.tls == nil {
			return fmt.Errorf("wss://%s: listening with TLS needs a certificate", d.ln.Addr())
		}
	}
	return nil
}

// Addr returns where the rule of that number listens: the port that was free, where it said 0.
func (b *Bridge) Addr(rule int) net.Addr { return b.ways[rule].door.addr() }

// Stats returns what became of each rule's clients so far, in the order of the rules.
func (b *Bridge) Stats() []Stats {
	all := make([]Stats, len(b.ways))
	for i, w := range b.ways {
		all[i] = w.stats(&w.Rule)
	}
	return all
}

// Open returns how many relays there are.
func (b *Bridge) Open() (n int64) {
	for _, w := range b.ways {
		n += w.counters.open.Load()
	}
	return n
}

// Run serves until ctx ends, or a socket fails that listens, whose error it then returns; it is then still to be ended with
// Shutdown or Close.
func (b *Bridge) Run(ctx context.Context) error {
	failed := make(chan error, len(b.doors))
	for _, d := range b.doors {
		b.relays.Go(func() {
			if err := d.serve(); err != nil {
				failed <- fmt.Errorf("bridge: %w", err)
			}
		})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// Shutdown lets nobody in any more and waits for the relays to end by themselves. A UDP client, who cannot end, has ended
// when it has said nothing for Linger. Those that are left when ctx ends are broken off, and ctx's error is returned.
func (b *Bridge) Shutdown(ctx context.Context) error {
	b.drain()
	for _, d := range b.doors {
		d.close()
	}
	done := make(chan struct{})
	go func() {
		b.relays.Wait()
		close(done)
	}()
	select {
	case <-done:
		b.hurry(errShutdown)
		return nil
	case <-ctx.Done():
	}
	b.hurry(errShutdown)
	<-done
	return ctx.Err()
}

// Close is Shutdown that breaks off at once what is under way. It waits for WebSocket clients to answer the close frame, 5 s at
// most.
func (b *Bridge) Close() error {
	b.hurry(errShutdown)
	b.drain()
	for _, d := range b.doors {
		d.close()
	}
	b.relays.Wait()
	return nil
}
