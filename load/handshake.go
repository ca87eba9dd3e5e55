package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxResponse bounds the head of a server's response.
const maxResponse = 16 << 10

// dial makes a connection and its handshake. rest is what came behind the response.
func (r *run) dial(ctx context.Context) (c net.Conn, rest []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.plan.Timeout)
	defer cancel()
	dial := r.plan.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if c, err = dial(ctx, "tcp", r.to.address); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if r.to.tls != nil {
		t := tls.Client(c, r.to.tls)
		c = t
		if err := t.HandshakeContext(ctx); err != nil {
			return c, nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	rest, err = r.upgrade(c)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	return c, rest, err
}

func (r *run) upgrade(c net.Conn) (rest []byte, err error) {
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
		r.to.path, r.to.host, key)
	if err := r.plan.Header.Write(&b); err != nil {
		return nil, err
	}
	if offer := r.plan.Compression.offer(); offer != "" {
		b.WriteString("Sec-WebSocket-Extensions: " + offer + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := c.Write(b.Bytes()); err != nil {
		return nil, err
	}
	var head []byte
	br := bufio.NewReaderSize(c, 1<<10)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := br.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("the handshake was not answered: %w", err)
		}
		if len(head) > maxResponse {
			return nil, fmt.Errorf("the handshake's answer is longer than %d bytes", maxResponse)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return nil, fmt.Errorf("the handshake's answer is malformed: %w", err)
	}
	resp.Body.Close()
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, fmt.Errorf("the handshake was answered with %s", resp.Status)
	case !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket"):
		return nil, errors.New("the handshake's answer has no Upgrade: websocket")
	case resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return nil, errors.New("the handshake's answer has a wrong Sec-WebSocket-Accept")
	}
	if err := r.plan.Compression.confirm(resp.Header.Values("Sec-WebSocket-Extensions")); err != nil {
		return nil, err
	}
	rest, _ = br.Peek(br.Buffered())
	return bytes.Clone(rest), nil
}
