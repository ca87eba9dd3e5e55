package talk

import (
	"fmt"
	"regexp"
)

// Expectation is what a script waits for. The zero value expects nothing. It is
// for one goroutine at a time.
type Expectation struct {
	Count    int              // so many messages; 0: any number
	Patterns []*regexp.Regexp // a message that each matches, in this order

	seen    int
	matched int
}

// Asks reports whether anything is expected at all.
func (e *Expectation) Asks() bool {
	return e.Count > 0 || len(e.Patterns) > 0
}

// See looks at the next message.
func (e *Expectation) See(m Message) {
	e.seen++
	if e.matched < len(e.Patterns) && e.Patterns[e.matched].Match(m.Data) {
		e.matched++
	}
}

// Met reports whether all that was asked for has come.
func (e *Expectation) Met() bool {
	return e.Asks() && e.seen >= e.Count && e.matched == len(e.Patterns)
}

// Missing says what has not come.
func (e *Expectation) Missing() string {
	switch {
	case e.matched < len(e.Patterns):
		return fmt.Sprintf("no message matched %q (--expect), of %d that came", e.Patterns[e.matched], e.seen)
	case e.seen < e.Count:
		return fmt.Sprintf("%d of %d messages came (-n)", e.seen, e.Count)
	}
	return "nothing is missing"
}
