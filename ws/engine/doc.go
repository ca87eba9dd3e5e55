// Package engine reads and writes plain sockets below net.Conn: one read(2) a
// message where net.Conn.Read needs two, no buffer held while a connection
// waits, and writes that never block.
//
// It is the ground that ws stands on, and of no use without it.
package engine

import "errors"

// errNoSocket is returned where there is no socket to read and write below net.Conn.
var errNoSocket = errors.New("engine: no plain socket")
