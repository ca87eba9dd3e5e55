// Command sockets shows what lies below WebSockets: an echo over TCP and one over
// UDP, server and client.
//
//	go run ./examples/sockets tcp-server 127.0.0.1:9000
//	go run ./examples/sockets tcp-client 127.0.0.1:9000 one two
//	go run ./examples/sockets udp-server 127.0.0.1:9001
//	go run ./examples/sockets udp-client 127.0.0.1:9001 one two
//
// Two things that tutorials leave out are here, because every server on a network
// needs them: bounds (of lines, of connections) and deadlines.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// The bounds.
const (
	maxMessage = 1024             // bytes
	maxConns   = 100              // TCP connections at once
	idleTime   = 30 * time.Second // how long a connection may be silent
	answerTime = 5 * time.Second  // how long a client waits for an answer
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sockets:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("want tcp-server ADDRESS, tcp-client ADDRESS TEXT…, udp-server ADDRESS or udp-client ADDRESS TEXT…")

// run serves until ctx ends, or sends the texts and prints the answers.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) < 2 {
		return errUsage
	}
	addr, texts := args[1], args[2:]
	for _, text := range texts {
		if len(text) > maxMessage {
			return fmt.Errorf("a text of %d bytes; at most %d are allowed", len(text), maxMessage)
		}
	}
	switch args[0] {
	case "tcp-server":
		return tcpServer(ctx, addr, stdout)
	case "tcp-client":
		return tcpClient(ctx, addr, texts, stdout)
	case "udp-server":
		return udpServer(ctx, addr, stdout)
	case "udp-client":
		return udpClient(ctx, addr, texts, stdout)
	}
	return errUsage
}
