//go:build !linux

package bridge

const canSplice = false

// waiting is never many bytes where they cannot be moved.
func waiting(int) int { return 0 }

// unsent is only known on Linux.
func unsent(int) int { return 0 }

// hungUp is only known on Linux.
func hungUp(int) bool { return false }
