package talk

import "errors"

// The errors of Run, for exit codes.
var (
	// ErrUnreached: there was no connection.
	ErrUnreached = errors.New("no connection")
	// ErrUnseen: what was expected did not come.
	ErrUnseen = errors.New("expected was something else")
	// ErrBroken: the connection ended as it should not.
	ErrBroken = errors.New("the connection ended badly")
)

// marked is an error that is one of those, which its text does not tell.
type marked struct {
	error
	as error
}

func (m marked) Unwrap() []error { return []error{m.error, m.as} }

// Final is an error of Connect's that another attempt will not mend.
type Final struct{ error }

// Unwrap returns the error itself.
func (f Final) Unwrap() error { return f.error }
