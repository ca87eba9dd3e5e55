package main

import (
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/goleak"
)

// patience bounds what a program waits for; nothing waits it out but a failure.
const patience = 30 * time.Second

// stage is what a program stands on: an address, and a transcript.
type stage struct {
	addr string // of the other end, for dial

	mu    sync.Mutex
	lines map[string][]string // by who said them
	wg    sync.WaitGroup      // handlers that run
}

// act runs one end of a program, prints its transcript, and fails if it leaves a
// goroutine behind.
func act(end func(*stage), addr string) error {
	s := &stage{addr: addr, lines: map[string][]string{}}
	end(s)
	for _, who := range slices.Sorted(maps.Keys(s.lines)) {
		for _, line := range s.lines[who] {
			fmt.Printf("%s: %s\n", who, line)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return goleak.Find()
}

// say adds a line to what one of the cast says. Different members may speak at
// once; the transcript keeps them apart.
func (s *stage) say(who, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if s.addr != "" {
		line = strings.ReplaceAll(line, s.addr, "SERVER")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[who] = append(s.lines[who], line)
}

// listen serves until stdin ends and every handler has returned.
func (s *stage) listen(h http.HandlerFunc) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.wg.Add(1)
		defer s.wg.Done()
		h(w, r)
	})}
	over := make(chan struct{})
	go func() {
		server.Serve(ln)
		close(over)
	}()
	fmt.Println(ln.Addr())
	io.Copy(io.Discard, os.Stdin)
	s.wg.Wait()
	server.Close()
	<-over
}

// sum describes a payload in a word or two.
func sum(p []byte) string { return fmt.Sprintf("%d bytes %08x", len(p), crc32.ChecksumIEEE(p)) }

// tide returns n bytes of text.
func tide(n int) []byte {
	return []byte(strings.Repeat("the tide comes in, the tide goes out; ", n/38+1)[:n])
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	p := make([]byte, n)
	x := uint32(n) + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}
