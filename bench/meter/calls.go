package meter

// Calls are the system calls of a process.
type Calls struct {
	Reads  int64 // read, readv, recvfrom, recvmsg, recvmmsg
	Writes int64 // write, writev, sendto, sendmsg, sendmmsg, sendfile
	All    int64 // every one
}
