package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// TCP is a stream of bytes without any borders: what one Write sent may come in two
// Reads, and two Writes in one. A program must mark where its messages end. Here
// each is a line. (A WebSocket is another answer: a length before each frame.)

// tcpServer sends every line back until ctx ends.
func tcpServer(ctx context.Context, addr string, stdout io.Writer) error {
	tcpAddr, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return err
	}
	ln, err := net.ListenTCP("tcp", tcpAddr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on %s\n", ln.Addr())
	defer context.AfterFunc(ctx, func() { ln.Close() })()

	var all sync.WaitGroup
	defer all.Wait()
	places := make(chan struct{}, maxConns) // whoever finds no place waits in the kernel's queue
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			ln.Close()
			return err
		}
		all.Go(func() {
			defer func() { <-places }()
			serveTCP(ctx, conn)
		})
	}
}

// serveTCP serves one connection: until it ends, errs, or is silent for too long.
func serveTCP(ctx context.Context, conn *net.TCPConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // ends the Read below
	in := bufio.NewReaderSize(conn, maxMessage+1)           // and the line feed
	for {
		// One deadline for both directions, because a peer that stops reading holds
		// a server up as well as one that stops sending.
		if conn.SetDeadline(time.Now().Add(idleTime)) != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			io.WriteString(conn, "error: the line is too long\n")
			// Closing a socket with unread input resets it, and the peer might never
			// read why. So our half ends first, and some of what follows is read away.
			if conn.CloseWrite() == nil {
				io.CopyN(io.Discard, conn, 64*maxMessage)
			}
			return
		}
		if err != nil {
			return
		}
		if _, err := conn.Write(line); err != nil {
			return
		}
	}
}

// tcpClient sends each text as a line and prints the line that comes back.
func tcpClient(ctx context.Context, addr string, texts []string, stdout io.Writer) error {
	tcpAddr, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return err
	}
	conn, err := net.DialTCP("tcp", nil, tcpAddr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in := bufio.NewReaderSize(conn, maxMessage+1)
	for _, text := range texts {
		if strings.Contains(text, "\n") {
			return fmt.Errorf("%q is more than one line", text)
		}
		if err := conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, text+"\n"); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("waiting for the answer to %q: %w", text, err)
		}
		fmt.Fprintf(stdout, "%s", line)
	}
	return nil
}
