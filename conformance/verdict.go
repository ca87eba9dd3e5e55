package conformance

import "fmt"

// Verdict is the outcome of one case.
type Verdict uint8

const (
	// Pass: the peer did what the RFC demands and recommends.
	Pass Verdict = iota
	// NotStrict: the peer broke no MUST that can be held against it, but left out
	// something that the RFC recommends, or let a fault of the other side pass.
	NotStrict
	// Fail: the peer broke the RFC, or did not answer.
	Fail
	// Unsupported: the case needs a feature that the peer did not negotiate or
	// that the transport does not have.
	Unsupported
	// Informational: the RFC leaves the matter open; the result tells what the
	// peer does.
	Informational
)

var verdictNames = [...]string{"pass", "not strict", "fail", "unsupported", "informational"}

// String returns the verdict in lower case, such as "not strict".
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

// MarshalText implements encoding.TextMarshaler with the form of String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it reads the form of String.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("conformance: unknown verdict %q", text)
}

// outcome is a verdict with its reason. A case that has reached its verdict
// panics with one; run recovers it.
type outcome struct {
	verdict Verdict
	reason  string
}
