package bridge

import "time"

// A pause is what one takes after an error that may pass, the longer the more there are in a row.
type pause time.Duration

// take waits, but not when stopped is closed.
func (p *pause) take(stopped <-chan struct{}) {
	*p = min(max(2**p, pause(5*time.Millisecond)), pause(time.Second))
	select {
	case <-time.After(time.Duration(*p)):
	case <-stopped:
	}
}
