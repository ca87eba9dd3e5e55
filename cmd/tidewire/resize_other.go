//go:build !unix

package main

// onResize does nothing: the size is looked at whenever the line is drawn.
func onResize(func()) (stop func()) { return func() {} }
