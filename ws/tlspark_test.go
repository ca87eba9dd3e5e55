//go:build !js

package ws_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// parkable is a net.Conn that is driven by hand behind the handshake: it gives what
// has been fed, and then says that it would block, with an error that is temporary.
type parkable struct {
	net.Conn
	parked bool
	fed    []byte
	piece  int // what one Read gives at most
	eof    bool
	out    bytes.Buffer
}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "would block" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

func (c *parkable) Read(p []byte) (int, error) {
	switch {
	case !c.parked:
		return c.Conn.Read(p)
	case len(c.fed) > 0:
		n := copy(p, c.fed[:min(c.piece, len(c.fed))])
		c.fed = c.fed[n:]
		return n, nil
	case c.eof:
		return 0, io.EOF
	}
	return 0, wouldBlock{}
}

func (c *parkable) Write(p []byte) (int, error) {
	if c.parked {
		return c.out.Write(p)
	}
	return c.Conn.Write(p)
}

func (c *parkable) SetWriteDeadline(time.Time) error { return nil }

// parkedPair returns a server whose handshake is done, what it stands on, and its
// client. The tickets of TLS 1.3 are read.
func parkedPair(t *testing.T, version uint16) (*tls.Conn, *parkable, *tlsPeer) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	t.Cleanup(func() { a.Close(); b.Close() })
	below := &parkable{Conn: b, piece: 1 << 20}
	s := tls.Server(below, &tls.Config{Certificates: []tls.Certificate{certificate().cert}})
	errs := make(chan error, 1)
	go func() { errs <- s.Handshake() }()
	peer := newTLSPeer(t, a, version)
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	below.parked = true
	if version == tls.VersionTLS13 {
		if typ, _, err := peer.read(a); typ != tlsHandshake || err != nil {
			t.Fatalf("in place of a ticket: %d, %v", typ, err)
		}
	}
	return s, below, peer
}

// drain reads until s would block, or fails.
func drain(s *tls.Conn, got []byte) ([]byte, error) {
	var b [300]byte
	for {
		n, err := s.Read(b[:])
		got = append(got, b[:n]...)
		if err != nil {
			if errors.Is(err, wouldBlock{}) {
				err = nil
			}
			return got, err
		}
	}
}

var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// What wire relies on: crypto/tls goes on after a temporary error wherever the
// stream was cut, also in the middle of what it answers by itself.
func TestTLSGoesOnAfterWouldBlock(t *testing.T) {
	for _, version := range tlsVersions {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			s, below, peer := parkedPair(t, version)
			var asked int
			script := func(i int) (stream, want []byte) {
				data := func(n int) {
					p := bytes.Repeat([]byte{byte(i)}, n)
					want = append(want, p...)
					stream = append(stream, peer.record(tlsData, p)...)
				}
				data(1)
				stream = append(stream, peer.record(tlsData, nil)...)
				data(40)
				if version == tls.VersionTLS13 {
					stream = append(stream, peer.keyUpdate(i%2 == 0, 5)...)
					stream = append(stream, peer.keyUpdate(true, 2)...) // in pieces
					stream = append(stream, peer.record(tlsAlert, []byte{1, tlsUserCanceled})...)
					asked += 2 - i%2
				} else {
					stream = append(stream, peer.record(tlsAlert, []byte{1, 100})...) // a warning
				}
				data(300)
				data(7)
				return stream, want
			}
			first, _ := script(0)
			below.fed = first
			drain(s, nil)
			for i := range len(first) + 1 {
				stream, want := script(i)
				below.fed = stream[:i]
				got, err := drain(s, nil)
				below.fed = stream[i:]
				if err == nil {
					got, err = drain(s, got)
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("cut at %d: %d bytes of %d, %v", i, len(got), len(want), err)
				}
			}
			for n := 1; n < 30; n++ { // in pieces of n bytes
				stream, want := script(n)
				var got []byte
				for len(stream) > 0 {
					k := min(n, len(stream))
					below.fed = append([]byte(nil), stream[:k]...)
					stream = stream[k:]
					var err error
					if got, err = drain(s, got); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("in pieces of %d: %d bytes of %d", n, len(got), len(want))
				}
			}
			// It has answered meanwhile, and goes on under the keys of the answers.
			if _, err := s.Write([]byte("under the latest keys")); err != nil {
				t.Fatal(err)
			}
			answers := 0
			for {
				typ, p, err := peer.read(&below.out)
				if err != nil {
					t.Fatal(err)
				}
				if typ == tlsData {
					if string(p) != "under the latest keys" {
						t.Errorf("read %q", p)
					}
					break
				}
				answers++
			}
			if answers != asked {
				t.Errorf("%d answers to %d requests", answers, asked)
			}
		})
	}
}

// The endings, cut at every byte.
func TestTLSEndsAfterWouldBlock(t *testing.T) {
	flipped := func(p []byte) []byte { p[len(p)-1] ^= 1; return p }
	endings := map[string]struct {
		versions []uint16
		last     func(p *tlsPeer) []byte
		eof      bool // the stream ends behind it
		cut      int  // so many bytes before its end
		want     error
		alert    byte // what the server answers
	}{
		"close_notify": {tlsVersions, func(p *tlsPeer) []byte { return p.record(tlsAlert, []byte{1, tlsCloseNotify}) }, false, 0, io.EOF, 0},
		"a FIN":        {tlsVersions, func(*tlsPeer) []byte { return nil }, true, 0, io.EOF, 0},
		"a FIN inside": {tlsVersions, func(p *tlsPeer) []byte { return p.record(tlsData, []byte("xyz")) }, true, 2, io.ErrUnexpectedEOF, 0},
		"an alert":     {tlsVersions, func(p *tlsPeer) []byte { return p.record(tlsAlert, []byte{2, 40}) }, false, 0, tls.AlertError(40), 0},
		"a forgery":    {tlsVersions, func(p *tlsPeer) []byte { return flipped(p.record(tlsData, []byte("xyz"))) }, false, 0, nil, 20},
		"renegotiation": {tlsVersions[:1], func(p *tlsPeer) []byte {
			hello := append([]byte{tlsClientHello, 0, 0, 41, 3, 3}, make([]byte, 32)...)
			return p.record(tlsHandshake, append(hello, 0, 0, 2, 0xc0, 0x2b, 1, 0))
		}, false, 0, nil, 10},
	}
	for name, e := range endings {
		for _, version := range e.versions {
			t.Run(fmt.Sprint(name, "/", tls.VersionName(version)), func(t *testing.T) {
				for i := 0; ; i++ {
					s, below, peer := parkedPair(t, version)
					stream := append(peer.record(tlsData, []byte("the last")), e.last(peer)...)
					stream = stream[:len(stream)-e.cut]
					if i > len(stream) {
						return
					}
					below.fed = stream[:i]
					got, err := drain(s, nil)
					if below.fed, below.eof = stream[i:], e.eof; err == nil {
						got, err = drain(s, got)
					}
					if string(got) != "the last" || err == nil {
						t.Fatalf("cut at %d: read %q, %v", i, got, err)
					}
					if e.want != nil && !errors.Is(err, e.want) && err.Error() != "remote error: "+e.want.Error() {
						t.Fatalf("cut at %d: %v", i, err)
					}
					// What it refuses by an alert need not fail again.
					if _, again := s.Read(make([]byte, 1)); e.alert == 0 && (again == nil || errors.Is(again, wouldBlock{})) {
						t.Fatalf("cut at %d: the end does not last: %v", i, again)
					}
					if e.alert != 0 {
						if typ, p, err := peer.read(&below.out); err != nil || typ != tlsAlert || p[1] != e.alert {
							t.Fatalf("cut at %d: the answer is %d %v, %v", i, typ, p, err)
						}
					}
				}
			})
		}
	}
}
