//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

// Ticking reports whether the watchdog's timer runs; false where there is no loop.
func (p *Poller) Ticking() bool {
	l := p.current()
	return l != nil && l.watchdog.ticking.Load()
}

// Tick has the watchdog look now.
func (p *Poller) Tick() {
	if l := p.current(); l != nil {
		l.watchdog.tick()
	}
}

// Dispatching reports whether every event gets a goroutine.
func (p *Poller) Dispatching() bool {
	l := p.current()
	return l != nil && l.watchdog.dispatching.Load()
}

// Calm reports whether little comes; false where there is no loop.
func (p *Poller) Calm() bool {
	l := p.current()
	return l != nil && l.calm.Load()
}

// Living reports whether there is a loop.
func (p *Poller) Living() bool { return p.current() != nil }

func (p *Poller) current() *loop {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loop
}

// Vain reports whether the next Read of the Readable under way would ask nobody if
// nothing came until then.
func (d *Descriptor) Vain() bool { return d.vain }

// Came returns how many events have come for the Readable under way.
func (d *Descriptor) Came() uint32 { return d.busy.Load() }
