//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// One prepared message to receivers that negotiated every kind of compression,
// interleaved with plain and compressed ones: with context takeover, what a
// prepared frame put into the receiver's window counts.
func TestPreparedToEveryKindOfReceiver(t *testing.T) {
	ctx := testContext(t)
	for _, z := range []*deflate.Options{
		nil, {}, {NoContextTakeover: true}, {PeerNoContextTakeover: true}, {WindowBits: 9}, {WindowBits: 12, PeerWindowBits: 10}, {Level: 6},
	} {
		for _, fromClient := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v/client=%v", z, fromClient), func(t *testing.T) {
				client, srv := pair(t, "memory", ws.ConnOptions{Compression: z})
				from, to := srv, client
				if fromClient {
					from, to = client, srv
				}
				for i := range 30 {
					small := fmt.Appendf(nil, `{"n":%d}`, i)
					big := fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, words(300+i*97))
					m := ws.Prepare(ws.Text, bytes.Replace(big, []byte("tide"), []byte("wave"), -1))
					go func() {
						from.Write(ctx, ws.Text, small)
						from.WritePrepared(ctx, m)
						from.Write(ctx, ws.Text, big)
						from.WritePrepared(ctx, m)
						from.Write(ctx, ws.Binary, randomBytes(500))
					}()
					wave := bytes.Replace(big, []byte("tide"), []byte("wave"), -1)
					for j, want := range [][]byte{small, wave, big, wave, randomBytes(500)} {
						if _, p := mustRead(t, to); !bytes.Equal(p, want) {
							t.Fatalf("round %d, message %d came wrong: %q", i, j, p)
						}
					}
				}
			})
		}
	}
}

func TestPreparedToManyAtOnce(t *testing.T) {
	leakCheck(t)
	m := ws.Prepare(ws.Binary, randomBytes(10_000))
	done := make(chan error)
	for range 20 {
		client, srv := pair(t, "tcp", ws.ConnOptions{Compression: &deflate.Options{}})
		go func() {
			for range 10 {
				if err := srv.WritePrepared(context.Background(), m); err != nil {
					done <- err
					return
				}
			}
		}()
		go func() {
			for range 10 {
				if _, p, err := client.Read(context.Background()); err != nil || !bytes.Equal(p, randomBytes(10_000)) {
					done <- fmt.Errorf("%d bytes, %v", len(p), err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
