//go:build !linux

package meter

import "errors"

var errLinux = errors.New("this can be measured on Linux alone")

// Memory is what a process holds in memory.
func (p *Process) Memory() (int64, error) { return 0, errLinux }

// CanCount says why calls cannot be counted here.
func CanCount() error { return errLinux }

// Counter counts nothing.
type Counter struct{}

// Count returns an error.
func Count(int) (*Counter, error) { return nil, errLinux }

// Stop returns nothing.
func (*Counter) Stop() (Calls, error) { return Calls{}, errLinux }
