//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// sizes sit at the edges of the length forms, of the buffers and of the chunks.
var sizes = []int{0, 1, 2, 15, 16, 125, 126, 127, 4095, 4096, 4097, 16 << 10, 65535, 65536, 65537, 200_000, 1 << 20}

func TestEchoEverySizeOverEveryStream(t *testing.T) {
	compressions := map[string]*deflate.Options{
		"off": nil, "takeover": {}, "no takeover": {NoContextTakeover: true, PeerNoContextTakeover: true},
	}
	for kind := range streams {
		for zname, z := range compressions {
			t.Run(kind+"/"+zname, func(t *testing.T) {
				leakCheck(t)
				client, server := pair(t, kind, ws.ConnOptions{Compression: z})
				done := make(chan error, 1)
				go func() { done <- echo(server) }()
				for _, n := range sizes {
					for _, m := range []struct {
						typ ws.MessageType
						p   []byte
					}{{ws.Text, words(n)}, {ws.Binary, randomBytes(n)}} {
						sent := bytes.Clone(m.p)
						mustWrite(t, client, m.typ, m.p)
						if !bytes.Equal(sent, m.p) {
							t.Fatalf("Write changed the caller's %d bytes", n)
						}
						typ, p := mustRead(t, client)
						if typ != m.typ || !bytes.Equal(p, m.p) {
							t.Fatalf("%s of %d bytes came back as %s of %d", m.typ, n, typ, len(p))
						}
					}
				}
				if err := client.Close(ws.StatusNormalClosure, "bye"); err != nil {
					t.Fatalf("Close: %v", err)
				}
				err := <-done
				var ce *ws.CloseError
				if !errors.As(err, &ce) || ce.By != ws.Peer || ce.Code != ws.StatusNormalClosure || ce.Reason != "bye" {
					t.Fatalf("server's Read ended with %v", err)
				}
			})
		}
	}
}

func TestWriterAndReaderStream(t *testing.T) {
	for kind := range streams {
		for _, z := range []*deflate.Options{nil, {}, {NoContextTakeover: true, PeerNoContextTakeover: true}} {
			t.Run(kind, func(t *testing.T) {
				leakCheck(t)
				ctx := testContext(t)
				client, server := pair(t, kind, ws.ConnOptions{Compression: z})
				for _, n := range []int{0, 1, 5000, 16 << 10, 16<<10 + 1, 300_000} {
					want := words(n)
					errs := make(chan error, 1)
					go func() {
						w, err := client.Writer(ctx, ws.Text)
						if err != nil {
							errs <- err
							return
						}
						for rest := want; len(rest) > 0; {
							k := min(len(rest), 777)
							if _, err := w.Write(rest[:k]); err != nil {
								errs <- err
								return
							}
							rest = rest[k:]
						}
						errs <- w.Close()
					}()
					typ, r, err := server.Reader(ctx)
					if err != nil || typ != ws.Text {
						t.Fatalf("Reader: %v, %v", typ, err)
					}
					got, err := io.ReadAll(r)
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%d bytes came as %d, %v", n, len(got), err)
					}
					if err := <-errs; err != nil {
						t.Fatalf("writing: %v", err)
					}
				}
			})
		}
	}
}

func TestReaderRemainderIsDiscarded(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			ctx := testContext(t)
			client, server := pair(t, kind, ws.ConnOptions{})
			go func() {
				client.Write(ctx, ws.Binary, randomBytes(50_000))
				client.Write(ctx, ws.Text, []byte("second"))
				client.Write(ctx, ws.Text, []byte("third"))
			}()
			_, r, err := server.Reader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			_, r2, err := server.Reader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(make([]byte, 10)); err == nil || err == io.EOF {
				t.Fatalf("the stale Reader gave %v", err)
			}
			if p, err := io.ReadAll(r2); err != nil || string(p) != "second" {
				t.Fatalf("got %q, %v", p, err)
			}
			if _, p := mustRead(t, server); string(p) != "third" {
				t.Fatalf("got %q", p)
			}
		})
	}
}

func TestReadIntoUsesTheCallersMemory(t *testing.T) {
	client, server := pair(t, "memory", ws.ConnOptions{})
	buf := make([]byte, 0, 100_000)
	for _, n := range []int{0, 100, 10_000, 99_000} {
		go client.Write(context.Background(), ws.Binary, randomBytes(n))
		_, p, err := server.ReadInto(testContext(t), append(buf[:0], "head"...))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, append([]byte("head"), randomBytes(n)...)) {
			t.Fatalf("%d bytes came wrong", n)
		}
		if &p[0] != &buf[:1][0] {
			t.Fatalf("%d bytes did not go into the caller's memory", n)
		}
	}
}

func TestSecondReaderIsToldSo(t *testing.T) {
	_, server := pair(t, "tcp", ws.ConnOptions{})
	started := make(chan struct{})
	go func() {
		close(started)
		for err := ws.ErrReading; errors.Is(err, ws.ErrReading); { // the look below may have it
			_, _, err = server.Read(context.Background())
		}
	}()
	<-started
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil {
		// Whichever Read comes first blocks; the other one must be refused.
		short, stop := context.WithTimeout(ctx, time.Millisecond)
		_, _, err := server.Read(short)
		stop()
		if errors.Is(err, ws.ErrReading) {
			return
		}
	}
	t.Fatal("no second Read was refused")
}

func TestMessageTypesAndTextAreChecked(t *testing.T) {
	client, _ := pair(t, "memory", ws.ConnOptions{})
	ctx := testContext(t)
	if err := client.Write(ctx, ws.Text, []byte{0xff}); err == nil {
		t.Error("Write sent text that is not UTF-8")
	}
	if err := client.Write(ctx, 7, nil); err == nil {
		t.Error("Write sent a message of type 7")
	}
	if client.TryWrite(ws.Text, []byte{0xff}) {
		t.Error("TryWrite sent text that is not UTF-8")
	}
	if err := client.WritePrepared(ctx, ws.Prepare(ws.Text, []byte{0xff})); err == nil {
		t.Error("WritePrepared sent text that is not UTF-8")
	}
	w, err := client.Writer(ctx, ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte{'a', 0xe2, 0x82}); err != nil {
		t.Fatalf("a character cut in two was refused: %v", err)
	}
	if err := w.Close(); err == nil {
		t.Error("Writer closed a message that ends in the middle of a character")
	}
	w.Cancel()
	if err := client.Write(ctx, ws.Text, []byte("ok")); err != nil {
		t.Errorf("after a Cancel before anything left: %v", err)
	}
}
