// Command tidewire is the Tidewire server and its tools in one binary. Run
// "tidewire --help" for what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // drains
		if number, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(exitSignal + int(number))
		}
	}()
	os.Exit(exitCode(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})))
}
