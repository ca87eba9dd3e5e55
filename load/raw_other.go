//go:build !unix

package load

import "errors"

const rawSockets = false

var errRaw = errors.ErrUnsupported

func rawRead(uintptr, []byte) (int, error)  { return 0, errRaw }
func rawWrite(uintptr, []byte) (int, error) { return 0, errRaw }
