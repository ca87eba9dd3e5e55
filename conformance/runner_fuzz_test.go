package conformance_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// FuzzServer lets a server say anything after a right handshake, compression
// included. Whatever it says, each case ends with a verdict.
func FuzzServer(f *testing.F) {
	f.Add([]byte("\x81\x05Hello\x88\x02\x03\xe8"))
	f.Add([]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x8a\x00"))
	f.Add([]byte("\x01\x01H\x89\x00\x80\x04ello\x8a\x05Hello"))
	f.Add([]byte("\x88\x02\x03\xea\x81\x00"))
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, said []byte) {
		var group sync.WaitGroup
		defer group.Wait()
		r := &conformance.Runner{Patience: 5 * time.Second, Grace: 10 * time.Millisecond, MaxBytes: 1 << 20, Volume: 1 << 10,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				group.Go(func() {
					defer far.Close()
					br := bufio.NewReader(far)
					head := ""
					for !strings.HasSuffix(head, "\r\n\r\n") {
						line, err := br.ReadString('\n')
						if err != nil {
							return
						}
						head += line
					}
					_, key, _ := strings.Cut(head, "Sec-WebSocket-Key: ")
					key, _, _ = strings.Cut(key, "\r\n")
					answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(key) + "\r\n"
					if strings.Contains(head, "permessage-deflate") {
						answer += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
					}
					reading := make(chan struct{})
					go func() {
						defer close(reading)
						io.Copy(io.Discard, br)
					}()
					io.WriteString(far, answer+"\r\n")
					far.Write(said)
					far.Close()
					<-reading
				})
				return near, nil
			}}
		results, err := r.RunServer(context.Background(), "ws://memory/", "1.1.2", "2.9", "3.2", "5.19", "6.4.1", "7.3.3", "12.1.3", "22.1.8", "27.2.2", "27.4.1")
		if err != nil || len(results) != 10 {
			t.Fatal(len(results), err)
		}
		for _, res := range results {
			if res.Verdict == conformance.Fail && res.Reason == "" || strings.Contains(res.Reason, "the case's time is over") {
				t.Errorf("%s: %v: %q", res.ID, res.Verdict, res.Reason)
			}
		}
	})
}
