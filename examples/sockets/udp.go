package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// UDP keeps the borders of messages: what one Write sent comes in one Read, or not at
// all. It promises nothing else. Datagrams get lost, come twice or in another order,
// and anybody can put anybody's address on them.
//
// The article that this example follows has ReadFrom and WriteTo the wrong way round:
// under "send message" its client calls ReadFrom, and under "receive message" WriteTo;
// its server's ReadFromUDP and WriteToUDP are swapped in the same way. ReadFrom
// receives, and WriteTo sends. And on a socket from DialUDP, as that client has one,
// WriteTo fails in any case (net.ErrWriteToConnected): its peer is fixed, so that it
// is Write and Read.

// Because sender addresses can be forged, a UDP server must not answer more than it
// was sent, or it helps to flood the one whose address it was; and two echo servers
// must not be set on each other for ever. So a request begins with one byte, an
// answer with another, is as long, and is never answered itself.
const (
	asking    = '?'
	answering = '!'
	attempts  = 5 // how often a client asks before it gives up
)

// udpServer answers every request until ctx ends.
func udpServer(ctx context.Context, addr string, stdout io.Writer) error {
	udpAddr, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", udpAddr)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintf(stdout, "listening on %s\n", conn.LocalAddr())
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	// There is nothing to accept: one socket and one buffer serve everybody. A longer
	// datagram would be cut short in silence, so there is room to notice.
	buf := make([]byte, 1+maxMessage+1)
	for {
		n, peer, err := conn.ReadFromUDPAddrPort(buf) // receives
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 || n == len(buf) || buf[0] != asking {
			continue // nobody is waiting for an answer to this
		}
		buf[0] = answering
		if err := conn.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
			return err
		}
		if _, err := conn.WriteToUDPAddrPort(buf[:n], peer); errors.Is(err, net.ErrClosed) { // sends
			return nil
		}
		// Any other error is about one peer, who will ask again.
	}
}

// udpClient sends each text and prints the answer. A datagram or its answer may be
// lost, so it asks several times.
func udpClient(ctx context.Context, addr string, texts []string, stdout io.Writer) error {
	raddr, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return err
	}
	conn, err := net.DialUDP("udp", nil, raddr) // sends nothing; it fixes the peer
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for _, text := range texts {
		answer, err := ask(conn, text)
		if err != nil {
			return fmt.Errorf("asking for %q: %w", text, err)
		}
		fmt.Fprintf(stdout, "%s\n", answer)
	}
	return nil
}

func ask(conn *net.UDPConn, text string) ([]byte, error) {
	request := append([]byte{asking}, text...)
	want := append([]byte{answering}, text...)
	buf := make([]byte, 1+maxMessage+1)
	for range attempts {
		if err := conn.SetDeadline(time.Now().Add(answerTime / attempts)); err != nil {
			return nil, err
		}
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break // lost: ask again
			}
			if err != nil {
				return nil, err
			}
			// The second answer to an earlier question may come now. A protocol
			// numbers its questions; an echo knows its answer.
			if bytes.Equal(buf[:n], want) {
				return buf[1:n], nil
			}
		}
	}
	return nil, fmt.Errorf("no answer in %v", answerTime)
}
