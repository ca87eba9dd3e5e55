package meter

import (
	"os/exec"
	"syscall"
)

// mortal has the kernel end a process when this one has ended, however it did.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
