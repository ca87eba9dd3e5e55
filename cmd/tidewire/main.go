// Command tidewire is the Tidewire server and its tools in one binary. Run
// "tidewire --help" for what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// oneSignal is how long a signal that comes again is still the first one: timeout(1) sends it to its child and to
// the group, and npm hands on what the terminal has sent already.
const oneSignal = 200 * time.Millisecond

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // drains
		first := time.Now()
		for s := range signals {
			if number, ok := s.(syscall.Signal); ok && time.Since(first) > oneSignal {
				os.Exit(exitSignal + int(number))
			}
		}
	}()
	os.Exit(exitCode(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})))
}
