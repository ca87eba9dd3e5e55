//go:build !linux

package servers

var floorsLinux []Server
