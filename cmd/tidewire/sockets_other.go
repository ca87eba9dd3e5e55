//go:build !linux

package main

// inherit returns none: systemd runs on Linux.
func inherit() (sockets, error) { return nil, nil }
