// Programs is a set of small programs in the idiom of gorilla/websocket. The test
// of the module builds it twice, the second time with the one import of gorilla in
// each file replaced by compat/websocket, and compares what the two say.
//
//	programs NAME serve        listens, prints its address, runs until stdin ends
//	programs NAME dial ADDR    is the other end
//
// Each end prints a transcript when it is done.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
)

// program is one of them: both of its ends.
type program struct {
	serve func(*stage)
	dial  func(*stage)
}

var programs = map[string]program{
	"broadcast": {serveBroadcast, dialBroadcast},
	"chat":      {serveChat, dialChat},
	"closing":   {serveClosing, dialClosing},
	"echo":      {serveEcho, dialEcho},
	"handshake": {serveHandshake, dialHandshake},
	"json":      {serveJSON, dialJSON},
	"keepalive": {serveKeepalive, dialKeepalive},
	"proxy":     {serveProxy, dialProxy},
	"streaming": {serveStreaming, dialStreaming},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "list" {
		for _, name := range slices.Sorted(maps.Keys(programs)) {
			fmt.Println(name)
		}
		return nil
	}
	if len(args) >= 2 {
		p, ok := programs[args[0]]
		switch {
		case ok && args[1] == "serve":
			return act(p.serve, "")
		case ok && args[1] == "dial" && len(args) == 3:
			return act(p.dial, args[2])
		}
	}
	return fmt.Errorf("usage: programs list | NAME serve | NAME dial ADDR")
}
