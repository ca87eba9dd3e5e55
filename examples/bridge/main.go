// Command bridge gives web pages a TCP service and a UDP service that know nothing of WebSocket: both tell each one what
// it says, in capitals.
//
//	go run ./examples/bridge    # then open http://127.0.0.1:8080/
//
// What it does with package bridge, "tidewire bridge" does without a line of Go.
package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/tidewire/tidewire/bridge"
)

//go:embed page
var files embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bridge:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bridge", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	streams, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer streams.Close()
	go serveTCP(streams)
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer datagrams.Close()
	go serveUDP(datagrams)

	page, err := fs.Sub(files, "page")
	if err != nil {
		return err
	}
	// The page is of the same origin as the bridge, and so no other page may connect.
	b, err := bridge.Listen([]bridge.Rule{
		{
			Listen: bridge.MustParse("ws://" + *addr + "/tcp"),
			Target: bridge.MustParse("tcp:" + streams.Addr().String()),
			Idle:   time.Hour,
			Web:    http.FileServerFS(page),
		},
		{
			Listen: bridge.MustParse("ws://" + *addr + "/udp"),
			Target: bridge.MustParse("udp:" + datagrams.LocalAddr().String()),
		},
	}, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on http://%s/\n", b.Addr(0))
	err = b.Run(ctx)
	bound, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	b.Shutdown(bound)
	return err
}

// serveTCP answers each stream until its client has ended it.
func serveTCP(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			p := make([]byte, 1024)
			for {
				n, err := conn.Read(p)
				if err != nil {
					return
				}
				if _, err := conn.Write(bytes.ToUpper(p[:n])); err != nil {
					return
				}
			}
		}()
	}
}

// serveUDP answers each datagram.
func serveUDP(conn net.PacketConn) {
	p := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(p)
		if err != nil {
			return
		}
		conn.WriteTo(bytes.ToUpper(p[:n]), from)
	}
}
