package meter

// Calls are the system calls of a process.
type Calls struct {
	Reads  int64 // read, readv, recvfrom, recvmsg, recvmmsg
	Writes int64 // write, writev, sendto, sendmsg, sendmmsg, sendfile
	Waits  int64 // epoll_wait and its kin
	All    int64 // every one
}
