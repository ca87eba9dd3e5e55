//go:build !unix

package main

// suspend is nil: no shell would have the process go on.
var suspend func()
