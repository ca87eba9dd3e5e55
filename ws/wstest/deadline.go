package wstest

import (
	"sync"
	"time"
)

// alarm is one deadline: a timer that, when it is due, calls ring with mu
// locked. Every field is guarded by mu. Its timer is made on first use, in the
// goroutine that needs it, so that it belongs to that goroutine's bubble.
type alarm struct {
	mu    *sync.Mutex
	ring  func()
	at    time.Time // zero: not set
	timer *time.Timer
}

// set arms the alarm to ring after d > 0, in place of what was set before.
func (a *alarm) set(d time.Duration) {
	a.at = time.Now().Add(d) // has the monotonic reading that the timer goes by
	if a.timer == nil {
		a.timer = time.AfterFunc(d, a.fire)
		return
	}
	a.timer.Reset(d)
}

func (a *alarm) clear() {
	a.at = time.Time{}
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *alarm) armed() bool { return !a.at.IsZero() }

// fire may come from a setting that has been replaced while it waited for mu;
// then the time is not up, and the timer is running anew.
func (a *alarm) fire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() || time.Now().Before(a.at) {
		return
	}
	a.at = time.Time{}
	a.ring()
}

// deadline is what SetReadDeadline and SetWriteDeadline set.
type deadline struct {
	alarm
	passed bool
}

func (d *deadline) setTo(t time.Time) {
	d.clear()
	d.passed = false
	if t.IsZero() {
		return
	}
	if left := time.Until(t); left > 0 {
		d.alarm.set(left)
		return
	}
	d.ring()
}
