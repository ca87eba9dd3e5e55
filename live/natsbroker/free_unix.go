//go:build linux || darwin

package natsbroker

import "syscall"

// diskFree returns how many bytes there are for a folder, which may be more than it may have.
func diskFree(dir string) (bytes uint64, ok bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), true
}
