package ws

import "time"

// Jump moves the engine's clock on, as a machine that was busy elsewhere would
// see it; Ticks reads it. Tests of sockets need them: those know no virtual time.
func (e *Engine) Jump(d time.Duration) { e.now.Add(ticks(d)) }

func (e *Engine) Ticks() uint32 { return e.now.Load() }

// Open returns how many connections e has.
func (e *Engine) Open() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.conns)
}
