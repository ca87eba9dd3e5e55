//go:build !linux

package meter

import "os/exec"

// mortal does nothing: servers end with their standard input as well.
func mortal(*exec.Cmd) {}
