//go:build !unix

package servers

var floorsUnix []Server
