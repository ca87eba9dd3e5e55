package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
)

// start runs the server on a free port and returns its URL, and a function that
// stops it and waits until it is done.
func start(t *testing.T) (url string, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	out, stdout := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0"}, stdout)
		stdout.CloseWithError(err)
		done <- err
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestEcho(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	url, stop := start(t)
	defer stop()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-dial", url, "one", "", "drei Wörter mehr"}, &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "one\n\ndrei Wörter mehr\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestEchoBinary(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	url, stop := start(t)
	defer stop()
	c, _, err := ws.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	sent := bytes.Repeat([]byte{0, 0xff, 'x'}, 10000)
	if err := c.Write(t.Context(), ws.Binary, sent); err != nil {
		t.Fatal(err)
	}
	typ, got, err := c.Read(t.Context())
	if err != nil || typ != ws.Binary || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %v came back, %v", len(got), typ, err)
	}
}

// Whoever is connected when the server stops is told so.
func TestStop(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	url, stop := start(t)
	c, _, err := ws.Dial(t.Context(), url, nil)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	defer c.CloseNow()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("%v, want 1001", err)
	}
	<-stopped
}

func TestErrors(t *testing.T) {
	for _, args := range [][]string{
		{"-addr", "127.0.0.1:no-port"},
		{"-dial", "http//nowhere", "x"},
		{"-nonsense"},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
