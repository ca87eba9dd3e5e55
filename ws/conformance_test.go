//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/wstest"
)

// conformant is what the cases ask of an implementation: 16 MiB messages and
// compression.
func conformant() ws.ConnOptions {
	return ws.ConnOptions{MaxMessage: 64 << 20, WriteQueue: 128 << 20, Compression: &deflate.Options{}}
}

// judge runs the cases against one door and fails for every verdict but a pass.
func judge(t *testing.T, results []conformance.Result, err error, expected map[string]conformance.Verdict) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(conformance.Count(results))
	if len(results) == 0 {
		t.Error("no case was played")
	}
	for _, r := range results {
		switch r.Verdict {
		case conformance.Pass, conformance.Informational:
			continue
		case expected[r.ID]:
			continue
		}
		var dump strings.Builder
		r.Dump(&dump)
		s := dump.String()
		if len(s) > 4000 {
			s = s[:4000] + "…"
		}
		t.Errorf("%s: %s\n%s", r.ID, r.Verdict, s)
	}
}

// wholeConformance has every door play all cases. The doors share what is behind them, so two do otherwise.
var wholeConformance = flag.Bool("conformance.whole", false, "whether every door plays the sweeps and the largest messages, too")

// largest takes out the cases with the largest messages, and with the most.
var largest = []string{"-9.*", "-12.*", "-13.*"}

// sweeps takes out the cases that go through all sizes of a compressed message. They cost three times what all others do
// together, and what they are about does not depend on the stream.
var sweeps = []string{"-27.5.2", "-27.5.3"}

// serverDoors are the ways in which a server gets its connections.
var serverDoors = map[string]func(t *testing.T, ln net.Listener){
	"Accept and Read": func(t *testing.T, ln net.Listener) {
		serveHTTP(t, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, &ws.AcceptOptions{ConnOptions: conformant()})
			if err == nil {
				echo(c)
			}
		}))
	},
	"HTTPHandler and Messages": func(t *testing.T, ln net.Listener) {
		serveHTTP(t, ln, ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := c.Write(ctx, m.Type, m.Data); err != nil {
					return err
				}
			}
			return nil
		}, &ws.AcceptOptions{ConnOptions: conformant()}))
	},
	"Accept and Reader to Writer": func(t *testing.T, ln net.Listener) {
		serveHTTP(t, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, &ws.AcceptOptions{ConnOptions: conformant()})
			if err == nil {
				echoStream(c)
			}
		}))
	},
	"Server and Attach": func(t *testing.T, ln net.Listener) {
		srv := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return echoHandler, &ws.AcceptOptions{ConnOptions: conformant()}, nil
		}}
		keep(t, func() { srv.Serve(ln) }, func() { srv.Close() })
	},
	"ServeTLS and Attach": func(t *testing.T, ln net.Listener) {
		srv := &ws.Server{
			Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
				return echoHandler, &ws.AcceptOptions{ConnOptions: conformant()}, nil
			},
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate().cert}},
		}
		keep(t, func() { srv.ServeTLS(ln, "", "") }, func() { srv.Close() })
	},
	// The handshake is done by whoever has the stream, and the stream shows no
	// more of itself than an io.ReadWriteCloser with two halves.
	"NewConn and Read": func(t *testing.T, ln net.Listener) {
		serveHTTP(t, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, answer := conformant(), ""
			params, response, ok := p.Compression.Negotiate(r.Header.Values("Sec-WebSocket-Extensions"))
			if ok {
				answer = "Sec-WebSocket-Extensions: " + response + "\r\n"
			}
			nc, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			ahead, _ := buf.Peek(buf.Reader.Buffered())
			buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + answer +
				"Sec-WebSocket-Accept: " + acceptOf(r) + "\r\n\r\n")
			buf.Flush()
			conn := ws.Params{ConnOptions: p, Buffered: ahead}
			if ok {
				conn.Deflate = &params
			}
			echo(ws.NewConn(struct {
				io.ReadWriteCloser
				closeWriter
			}{nc, nc.(closeWriter)}, conn))
		}))
	},
	"Upgrade and ReadInto": func(t *testing.T, ln net.Listener) {
		var all sync.WaitGroup
		keep(t, func() {
			for {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				all.Go(func() {
					c, err := ws.Upgrade(nc, &ws.UpgradeOptions{ConnOptions: conformant()})
					if err != nil {
						return
					}
					var buf []byte
					for {
						var typ ws.MessageType
						typ, buf, err = c.ReadInto(context.Background(), buf[:0])
						if err != nil || c.Write(context.Background(), typ, buf) != nil {
							return
						}
					}
				})
			}
		}, func() { ln.Close(); all.Wait() })
	},
}

type closeWriter interface{ CloseWrite() error }

func echoStream(c *ws.Conn) {
	ctx := context.Background()
	for {
		typ, r, err := c.Reader(ctx)
		if err != nil {
			return
		}
		w, err := c.Writer(ctx, typ)
		if err != nil {
			return
		}
		if _, err := io.Copy(w, r); err != nil {
			w.Cancel()
			return
		}
		if w.Close() != nil {
			return
		}
	}
}

// keep keeps serve going until the test ends.
func keep(t *testing.T, serve, stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve()
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

func serveHTTP(t *testing.T, ln net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h}
	keep(t, func() { srv.Serve(ln) }, func() { srv.Close() })
}

// runner is patient: the machine may be slow, and a pass never waits it out.
func runner() *conformance.Runner {
	return &conformance.Runner{Volume: 64 << 10, Timeout: 2 * time.Minute, Patience: patience, Grace: patience}
}

// The cases against every door and every kind of stream.
func TestServerConformance(t *testing.T) {
	for door, serve := range serverDoors {
		for _, kind := range []string{"tcp", "tls", "unix", "memory"} {
			if kind != "tcp" && door != "Server and Attach" && door != "Accept and Read" && door != "ServeTLS and Attach" {
				continue
			}
			if door == "ServeTLS and Attach" && kind != "tls" {
				continue
			}
			t.Run(strings.ReplaceAll(door, " ", "-")+"/"+kind, func(t *testing.T) {
				leakCheck(t)
				r := runner()
				url := "ws://localhost/"
				switch kind {
				case "tcp", "tls":
					ln, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					url = "ws://" + ln.Addr().String() + "/"
					if kind == "tls" {
						url = "wss://localhost/"
						addr := ln.Addr().String()
						r.TLS = &tls.Config{RootCAs: certificate().roots, ServerName: "localhost"}
						r.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
							return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
						}
						if door != "ServeTLS and Attach" {
							ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate().cert}})
						}
					}
					serve(t, ln)
				case "unix":
					dir, err := os.MkdirTemp("", "ws")
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { os.RemoveAll(dir) })
					ln, err := net.Listen("unix", dir+"/s")
					if err != nil {
						t.Fatal(err)
					}
					r.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
						return (&net.Dialer{}).DialContext(ctx, "unix", dir+"/s")
					}
					serve(t, ln)
				case "memory":
					ln := wstest.Listen()
					r.Dial = ln.DialContext
					serve(t, ln)
				}
				groups, chosen := conformanceGroups, *wholeConformance
				switch door {
				case "Accept and Read", "Server and Attach":
					chosen = chosen || kind == "tcp"
				case "ServeTLS and Attach":
					chosen = true
				}
				if kind != "tcp" || !chosen {
					groups = slices.Concat(groups, sweeps)
				}
				if kind == "unix" || kind == "memory" || !chosen {
					groups = slices.Concat(groups, largest)
				}
				if door == "NewConn and Read" {
					// Whoever does the handshake must know its rules.
					groups = slices.Concat(groups, []string{"-23.*"})
				}
				results, err := r.RunServer(context.Background(), url, groups...)
				judge(t, results, err, nil)
			})
		}
	}
}

func TestClientConformance(t *testing.T) {
	ways := map[string]func(c *ws.Conn){
		"Read":   func(c *ws.Conn) { echo(c) },
		"Stream": echoStream,
		"Attach": func(c *ws.Conn) {
			over := make(chan struct{})
			c.Attach(&events{
				message: echoHandler,
				closed:  func(*ws.Conn, error) { close(over) },
			})
			<-over
		},
	}
	void := map[string]conformance.Verdict{
		"26.5.13": conformance.Unsupported, // our client offers client_max_window_bits
		"26.5.16": conformance.Unsupported, // and here sets no bound of the server's
	}
	for way, talk := range ways {
		t.Run(way, func(t *testing.T) {
			leakCheck(t)
			groups := conformanceGroups
			if way != "Read" && !*wholeConformance {
				groups = slices.Concat(groups, sweeps, largest)
			}
			judgeClient(t, runner(), talk, &deflate.Options{}, void, groups...)
		})
	}
	t.Run("window", func(t *testing.T) {
		judgeClient(t, runner(), ways["Read"], &deflate.Options{PeerWindowBits: 10}, nil, "26.5.16")
	})
	t.Run("TLS", func(t *testing.T) {
		leakCheck(t)
		r := runner()
		r.TLS = &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
		judgeClient(t, r, ways["Attach"], &deflate.Options{}, void, slices.Concat(conformanceGroups, sweeps, largest)...)
	})
}

func judgeClient(t *testing.T, r *conformance.Runner, talk func(*ws.Conn), z *deflate.Options, expected map[string]conformance.Verdict, globs ...string) {
	results, err := r.RunClient(context.Background(), nil, func(ctx context.Context, url string) error {
		o := conformant()
		o.Compression = z
		c, _, err := ws.Dial(ctx, url, &ws.DialOptions{
			ConnOptions: o, Subprotocols: []string{"chat", "superchat"}, TLSConfig: &tls.Config{RootCAs: certificate().roots},
		})
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { c.CloseNow() })()
		talk(c)
		return nil
	}, globs...)
	judge(t, results, err, expected)
}
