package terminal

// The colours, as a terminal takes them.
const (
	Green  = "\x1b[32m"
	Yellow = "\x1b[33m"
	Cyan   = "\x1b[36m"
	Dim    = "\x1b[2m"
	Plain  = "\x1b[0m"
)
