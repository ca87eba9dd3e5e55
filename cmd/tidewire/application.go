package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tidewire/tidewire/gallery"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/api"
	"github.com/tidewire/tidewire/service/console"
	"github.com/tidewire/tidewire/service/metrics"
	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/service/webhook"
)

// applicationFlags say what is served at /live, and what is beside it.
type applicationFlags struct {
	Rooms []string `help:"Serve these rooms at /live, instead of the demo pages: a pattern and its options, see below. May be given several times, or separated by semicolons." placeholder:"RULE" sep:";"`

	entryFlags
	webhookFlags
	limitFlags
	traceFlags

	APIKeyFile         string  `name:"api-key-file" help:"Serve the HTTP API below /api/ for who has one of the keys in this file, one in each line: 16 bytes at least." placeholder:"FILE"`
	ConsoleKeyFile     string  `help:"Serve the console at /console/ for who has one of the keys in this file." placeholder:"FILE"`
	ConsoleReadKeyFile string  `help:"Let who has one of these keys look at the console, and change nothing." placeholder:"FILE"`
	AccessLog          float64 `help:"Log which share of sessions, as they come and go, and of requests to the API: 1 is all, 0.01 each hundredth." default:"0" placeholder:"SHARE"`

	rules []roomRule // of Rooms
}

func (f *applicationFlags) validate() (err error) {
	if f.rules, err = parseRoomRules(f.Rooms); err != nil {
		return err
	}
	if f.AccessLog < 0 || f.AccessLog > 1 {
		return errors.New("--access-log must be from 0 to 1")
	}
	rooms := len(f.rules) > 0
	return cmp.Or(f.traceFlags.validate(), f.webhookFlags.validate(rooms), f.entryFlags.validate(rooms, f.asks(webhook.Connect)), f.limitFlags.validate(rooms))
}

// An application is what a hub needs to be of use, and who looks at it.
type application struct {
	hub      *live.Hub
	demos    *gallery.Gallery // nil with --rooms
	verifier *token.Verifier  // nil without
	asks     *webhook.Webhook // nil unless an application is asked
	api      *api.Handler     // nil without keys
	console  *console.Console // nil without keys
	access   *accessLog       // nil if nothing is logged

	endTraces func(context.Context)

	stop  context.CancelFunc
	group sync.WaitGroup
}

// open makes the hub of an application. What of it was begun has ended when there is an error.
func (f *applicationFlags) open(ctx context.Context, o *live.Options, m *metrics.Metrics) (_ *application, err error) {
	a := &application{access: newAccessLog(f.AccessLog, o.Logger)}
	defer func() {
		if err != nil {
			a.close(context.Background())
		}
	}()
	keys := map[string][]string{}
	for flag, name := range map[string]string{"--api-key-file": f.APIKeyFile, "--console-key-file": f.ConsoleKeyFile, "--console-read-key-file": f.ConsoleReadKeyFile} {
		if name != "" {
			if keys[flag], err = readKeys(ctx, flag, name); err != nil {
				return nil, err
			}
		}
	}
	if len(f.rules) > 0 {
		if a.verifier, err = f.entryFlags.open(ctx, f.rules, o.Logger); err != nil {
			return nil, err
		}
		if a.asks, err = f.webhookFlags.open(ctx, a.verifier, o.Logger); err != nil {
			return nil, err
		}
	}
	traced, endTraces, err := f.traceFlags.open(o.Logger)
	if err != nil {
		return nil, err
	}
	a.endTraces = endTraces
	var meter *console.Meter
	hooks := traced.And(a.access.hooks())
	if a.asks != nil {
		hooks = hooks.And(&live.Hooks{Disconnected: a.asks.Disconnected})
	}
	if len(keys["--console-key-file"])+len(keys["--console-read-key-file"]) > 0 {
		meter = &console.Meter{}
		hooks = meter.Hooks(hooks)
	}
	if m != nil {
		hooks = m.Hooks(hooks)
	}
	o.Hooks = hooks
	if len(f.rules) > 0 {
		a.hub = f.newHub(o, a)
	} else {
		a.demos = gallery.New(gallery.Options{Broker: o.Broker, Address: o.Address, Hooks: hooks, Logger: o.Logger})
		a.hub, o.BackoffMax = a.demos.Hub, gallery.BackoffMax
	}
	if m != nil {
		m.Watch(a.hub)
	}
	if all := keys["--api-key-file"]; len(all) > 0 {
		if a.api, err = api.New(a.hub, all...); err != nil {
			return nil, fmt.Errorf("--api-key-file: %w", err)
		}
		a.api.Logger = o.Logger
	}
	if meter != nil {
		a.console, err = console.New(console.Options{
			Hub: a.hub, Keys: keys["--console-key-file"], ReadKeys: keys["--console-read-key-file"], Meter: meter, BackoffMax: o.BackoffMax, Address: o.Address, Logger: o.Logger,
		})
		if err != nil {
			return nil, fmt.Errorf("--console-key-file: %w", err)
		}
	}
	return a, nil
}

// newHub makes the hub of --rooms.
func (f *applicationFlags) newHub(o *live.Options, a *application) *live.Hub {
	f.limitFlags.apply(o)
	o.Authenticate = a.verifier.Authenticate
	if named := f.signed() || f.Anonymous; a.asks != nil && (named || f.asks(webhook.Connect)) {
		if !named {
			o.Authenticate = nil // the application alone knows who somebody is
		}
		o.Authenticate = a.asks.Authenticate(o.Authenticate)
	}
	hub := live.NewHub(o)
	for _, rule := range f.rules {
		set := rule.options
		set.CanJoin, set.CanPublish, set.CanWatch = a.verifier.CanJoin, a.verifier.CanPublish, a.verifier.CanWatch
		if f.asks(webhook.Join) {
			set.CanJoin = a.asks.CanJoin
		}
		if f.asks(webhook.Publish) {
			set.CanPublish = nil // the application says so: of members, who alone may publish then
		}
		hub.ConfigureRooms(rule.pattern, set)
		if f.asks(webhook.Publish) {
			live.OnPublish(hub, rule.pattern, a.asks.Publish)
		}
	}
	return hub
}

// run begins what the application does by itself, until close.
func (a *application) run() {
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	if a.demos != nil {
		a.group.Go(func() { a.demos.Run(ctx) })
	}
	if a.console != nil {
		a.group.Go(func() { a.console.Run(ctx) })
	}
}

// ready returns why nobody should be sent here, or nil.
func (a *application) ready() error {
	if a.verifier != nil {
		return a.verifier.Ready()
	}
	return nil
}

// shutdown ends the sessions gently, those of the console last: who looks sees the others go.
func (a *application) shutdown(ctx context.Context) error {
	err := a.hub.Shutdown(ctx)
	if a.console != nil {
		err = errors.Join(err, a.console.Shutdown(ctx))
	}
	return err
}

// close ends everything at once but for what the asked application is still to be told and the spans that wait, which have until ctx ends.
func (a *application) close(ctx context.Context) {
	if a.stop != nil {
		a.stop()
	}
	if a.console != nil {
		a.console.Close()
	}
	if a.hub != nil {
		a.hub.Close()
	}
	a.group.Wait()
	if a.asks != nil {
		a.group.Go(func() { a.asks.Close(ctx) })
	}
	if a.endTraces != nil { // beside: who is to be told may hang
		a.group.Go(func() { a.endTraces(ctx) })
	}
	a.group.Wait()
	if a.verifier != nil {
		a.verifier.Close()
	}
}
