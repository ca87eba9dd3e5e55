//go:build !unix

package load

import "errors"

const rawSockets = false

func rawRead(uintptr, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func rawWrite(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
