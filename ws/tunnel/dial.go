package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Dialer is a client's way through a Tunnel.
//
//	d := tunnel.Dialer{URL: "https://example.org/live"}
//	c, _, err := ws.Dial(ctx, "ws://example.org/live", &ws.DialOptions{NetDial: d.DialContext})
//
// The headers of the WebSocket handshake are those of the requests.
type Dialer struct {
	// URL is the Tunnel's, http or https.
	URL string

	// Client makes the requests. Its Timeout must be 0, as the answer to one of them
	// lasts as long as the connection. nil means http.DefaultClient.
	Client *http.Client
}

const (
	maxBatch = 128 << 10        // bytes in a post, and that wait for the next one
	postFor  = 30 * time.Second // a post is tried
	lastPost = 2 * time.Second  // for posts behind the end
)

// DialContext returns a connection on which a WebSocket handshake goes through the
// Tunnel. network and addr are not looked at. ctx bounds nothing: nothing is sent before
// the handshake is.
func (d Dialer) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go d.serve(far)
	return near, nil
}

func (d Dialer) do(r *http.Request) (*http.Response, error) {
	if d.Client != nil {
		return d.Client.Do(r)
	}
	return http.DefaultClient.Do(r)
}

// serve carries a connection until one of its sides ends.
func (d Dialer) serve(far net.Conn) {
	defer far.Close()
	in := bufio.NewReader(far)
	shake, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answer, err := d.post(ctx, shake, "open "+shake.Header.Get("Sec-WebSocket-Protocol")+"\n", nil)
	if err != nil {
		fmt.Fprintf(far, "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n%s\n", err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		answer.Write(far)
		return
	}
	out := bufio.NewReader(answer.Body)
	line, err := out.ReadString('\n')
	secret, protocol, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if err != nil || !ok {
		fmt.Fprintf(far, "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\nthere is no tunnel at this address\n")
		return
	}
	if protocol != "" {
		protocol = "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	sum := sha1.Sum([]byte(shake.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if _, err := fmt.Fprintf(far, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		base64.StdEncoding.EncodeToString(sum[:]), protocol); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.send(ctx, in, shake, secret)
		cancel()
	}()
	_, err = io.Copy(far, out)
	far.Close()
	if errors.Is(err, io.ErrClosedPipe) { // this side has ended it: what was written last is still sent
		select {
		case <-done:
		case <-time.After(lastPost):
		}
	}
	cancel()
	<-done
}

// send sends what is read, in posts that are one behind the other, and what comes while
// one is under way together.
func (d Dialer) send(ctx context.Context, in io.Reader, shake *http.Request, secret string) {
	b := newBatch()
	go b.fill(in)
	defer b.stop()
	for n := 1; ; n++ {
		body := b.next()
		if body == nil || !d.deliver(ctx, shake, fmt.Sprintf("post %s %d\n", secret, n), body) {
			return
		}
	}
}

// deliver sends a post until it is taken, and reports whether it was.
func (d Dialer) deliver(ctx context.Context, shake *http.Request, line string, body []byte) bool {
	wait := 50 * time.Millisecond
	for end := time.Now().Add(postFor); time.Now().Before(end); wait = min(2*wait, 2*time.Second) {
		answer, err := d.post(ctx, shake, line, body)
		if err == nil {
			answer.Body.Close()
			switch answer.StatusCode {
			case http.StatusNoContent:
				return true
			case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusTooManyRequests:
			default:
				return false
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

func (d Dialer) post(ctx context.Context, shake *http.Request, line string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(append([]byte(line), body...)))
	if err != nil {
		return nil, err
	}
	for name, values := range shake.Header {
		if name != "Connection" && name != "Upgrade" && !strings.HasPrefix(name, "Sec-Websocket-") {
			r.Header[name] = values
		}
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	return d.do(r)
}

// batch is what waits to be sent.
type batch struct {
	mu      sync.Mutex
	changed sync.Cond
	bytes   []byte
	over    bool // nothing more comes
	stopped bool // nothing more is wanted
}

func newBatch() *batch {
	b := &batch{}
	b.changed.L = &b.mu
	return b
}

// fill reads until there is nothing more, and no faster than next is called.
func (b *batch) fill(in io.Reader) {
	p := make([]byte, 16<<10)
	for {
		n, err := in.Read(p)
		b.mu.Lock()
		b.bytes = append(b.bytes, p[:n]...)
		b.over = err != nil
		b.changed.Broadcast()
		for len(b.bytes) >= maxBatch && !b.stopped {
			b.changed.Wait()
		}
		stop := b.over || b.stopped
		b.mu.Unlock()
		if stop {
			return
		}
	}
}

// next returns all that waits, once there is something, or nil behind the last.
func (b *batch) next() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.bytes) == 0 && !b.over {
		b.changed.Wait()
	}
	p := b.bytes
	b.bytes = nil
	b.changed.Broadcast()
	return p
}

func (b *batch) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	b.changed.Broadcast()
}
