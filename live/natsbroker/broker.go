package natsbroker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	neturl "net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/live"
)

// Broker is a live.Broker on NATS JetStream. It is safe for concurrent use.
type Broker struct {
	set     Options
	nc      *nats.Conn
	js      jetstream.JetStream
	acks    *inbox
	answers *inbox
	reading chan struct{} // has room for the reads that are under way
	lanes   *lanes
	subs    subs
	heads   heads
	watch   watch

	opened  time.Time
	closing chan struct{}
	closed  sync.Once
	stop    context.CancelFunc
	working sync.WaitGroup

	importing sync.Mutex // held while streams are restored: a server that restores two at once reads a map that it writes

	mu     sync.RWMutex // guards what follows
	groups map[string]*group
	names  map[string]*stream
}

// maxReading is how many reads of the streams are under way at once: a storm of them waits here.
const maxReading = 64

// configureWait is how long behind its opening a Broker's Configure waits for the servers. What they have not made by then is
// made when they can.
const configureWait = 10 * time.Second

// attempt is how long one question to the servers may take, where it can be asked again: while a cluster has no leader, nobody answers.
const attempt = time.Second

// Connect returns the broker on the servers at a URL, "nats://host:port", or several, separated by commas. It fails if none of
// them answers, or if they have no JetStream. nil options mean the defaults.
func Connect(url string, o *Options) (*Broker, error) {
	set, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return open(url, set)
}

func open(url string, set Options, more ...nats.Option) (*Broker, error) {
	b := &Broker{
		set: set, opened: time.Now(), closing: make(chan struct{}), reading: make(chan struct{}, maxReading),
		groups: map[string]*group{}, names: map[string]*stream{},
	}
	b.subs = subs{broker: b, rooms: map[string]map[*listener]struct{}{}}
	b.watch.watchers = map[*watcher]struct{}{}
	b.heads = heads{broker: b, node: rand.Text()[:16], moved: map[string]head{}, others: map[string]*other{},
		doubts: map[*stream]bool{}, wake: make(chan struct{}, 1)}
	log := set.Logger
	options := slices.Concat(set.NATS, []nats.Option{
		nats.Name("tidewire " + b.heads.node),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1),            // what is published while there is no connection fails
		nats.FlusherTimeout(2 * time.Second), // a write holds up all who publish
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if !b.isClosed() {
				log.Warn("natsbroker: the connection to NATS is lost", "error", err)
				for _, s := range b.streams() {
					s.health.down.Store(true) // until it has taken something again
					s.out.expire(time.Now(), true)
				}
				b.watch.tell(b)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("natsbroker: connected to NATS again", "server", nc.ConnectedUrlRedacted())
			b.heads.doubt(nil)
			b.watch.tell(b)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				b.heads.doubt(nil)
			}
			if sub != nil {
				log.Warn("natsbroker: NATS reports", "error", err, "subject", sub.Subject)
			} else {
				log.Warn("natsbroker: NATS reports", "error", err)
			}
		}),
	}, more)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		if bad := (*neturl.Error)(nil); errors.As(err, &bad) {
			err = bad.Err // it would show the whole of the URL, with its password
		}
		return nil, fmt.Errorf("natsbroker: %s: %w", redacted(url), err)
	}
	b.nc = nc
	if err := b.begin(); err != nil {
		nc.Close()
		return nil, fmt.Errorf("natsbroker: %s: %w", nc.ConnectedUrlRedacted(), err)
	}
	return b, nil
}

// begin makes what stands on the connection.
func (b *Broker) begin() (err error) {
	if b.js, err = jetstream.New(b.nc); err != nil {
		return err
	}
	if b.acks, err = newInbox(b.nc); err != nil {
		return err
	}
	if b.answers, err = newInbox(b.nc); err != nil {
		return err
	}
	if _, err = b.nc.Subscribe(b.set.Name+".h", b.heads.hear); err != nil {
		return err
	}
	// What may have changed what a stream has, or which one it is.
	for _, what := range []string{"LEADER_ELECTED", "CREATED", "DELETED", "RESTORE_COMPLETE"} {
		what = "$JS.EVENT.ADVISORY.STREAM." + what + "."
		if _, err = b.nc.Subscribe(what+"*", func(m *nats.Msg) {
			if s := b.streamOf(m.Subject[len(what):]); s != nil {
				b.heads.doubt(s)
			}
		}); err != nil {
			return err
		}
	}
	ctx, done := context.WithTimeout(context.Background(), attempt)
	defer done()
	if _, err := b.js.AccountInfo(ctx); errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return err // otherwise it is on its way
	}
	b.lanes = newLanes(b.nc)
	ctx, b.stop = context.WithCancel(context.Background())
	b.working.Go(func() { b.heads.run(ctx) })
	b.working.Go(func() { b.tend(ctx) })
	b.working.Go(func() { b.tick(ctx) })
	return nil
}

// redacted returns URLs without what may be a password.
func redacted(urls string) string {
	all := strings.Split(urls, ",")
	for i, one := range all {
		if at := strings.LastIndexByte(one, '@'); at >= 0 {
			all[i] = one[at+1:]
		}
	}
	return strings.Join(all, ",")
}

// tick does what is to be done now and then.
func (b *Broker) tick(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for announced := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, s := range b.streams() {
				s.out.expire(now, false)
			}
			if now.Sub(announced) >= headsEvery {
				announced = now
				b.heads.announce(false)
			}
		}
	}
}

// Configure makes the streams of a pattern, or has them be as they should. If the servers are not there it does so later,
// and until then nothing is stored.
func (b *Broker) Configure(keep *live.Retention) error {
	if keep.History == 0 && !keep.Keys {
		return nil
	}
	if b.isClosed() {
		return live.ErrUnavailable
	}
	g := b.newGroup(keep)
	b.mu.Lock()
	if b.groups[keep.Pattern] != nil {
		b.mu.Unlock()
		return fmt.Errorf("natsbroker: the pattern %s is configured already", keep.Pattern)
	}
	b.groups[keep.Pattern] = g
	for _, s := range g.streams {
		b.names[s.name] = s
	}
	b.mu.Unlock()
	ctx, done := context.WithTimeout(context.Background(), max(configureWait-time.Since(b.opened), time.Second))
	defer done()
	errs := make([]error, len(g.streams))
	var all sync.WaitGroup
	for i, s := range g.streams {
		all.Go(func() {
			for wait := 50 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, time.Second) {
				once, done := context.WithTimeout(ctx, attempt)
				if errs[i] = s.make(once); errs[i] == nil {
					_, errs[i] = s.fence(once) // that there is always one
				}
				done()
				if errs[i] == nil || wrong(errs[i]) {
					return
				}
				sleep(ctx, wait)
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		if wrong(err) {
			return fmt.Errorf("natsbroker: the stream %s: %w", g.streams[i].name, err)
		}
		if err != nil {
			g.streams[i].health.ill(g.streams[i], err)
		}
	}
	return nil
}

// wrong reports whether an error is one of what was asked for, and will stay.
func wrong(err error) bool {
	const noPeers = 10005 // too few servers for the replicas: there may be more soon
	var api *jetstream.APIError
	return errors.Is(err, errImporting) || errors.As(err, &api) && api.Code < 500 && api.ErrorCode != noPeers
}

// group returns the streams of a pattern, or nil.
func (b *Broker) group(keep *live.Retention) *group {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.groups[keep.Pattern]
}

// streamOf returns the stream of that name, or nil.
func (b *Broker) streamOf(name string) *stream {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.names[name]
}

// streams returns all there are.
func (b *Broker) streams() []*stream {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []*stream
	for _, g := range b.groups {
		all = append(all, g.streams...)
	}
	return all
}

// of returns the stream of a room.
func (b *Broker) of(room live.Room) (*stream, error) {
	if b.isClosed() {
		return nil, live.ErrUnavailable
	}
	if room.Retention == nil {
		return nil, fmt.Errorf("natsbroker: %s has no pattern", room.Name)
	}
	g := b.group(room.Retention)
	if g == nil {
		return nil, fmt.Errorf("natsbroker: the pattern %s was not configured, or stores nothing", room.Retention.Pattern)
	}
	s := g.of(room.Name)
	if s.epochNow() == "" {
		return nil, live.ErrUnavailable // it is still to be made
	}
	return s, nil
}

// Dedupe returns Options.Dedupe.
func (b *Broker) Dedupe() time.Duration { return b.set.Dedupe }

func (b *Broker) isClosed() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

// Close ends the broker: what is under way fails with live.ErrUnavailable. Other nodes are told that this one goes. The servers go
// on, those within the process too.
func (b *Broker) Close() error {
	b.closed.Do(func() {
		close(b.closing)
		b.stop()
		b.working.Wait()
		b.heads.announce(true)
		b.nc.FlushTimeout(time.Second)
		for _, s := range b.streams() {
			s.out.expire(time.Now(), true)
		}
		b.nc.Close()
		b.lanes.close()
	})
	return nil
}
