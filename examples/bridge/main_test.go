package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExample(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0"}, w) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	for _, path := range []string{"tcp", "udp"} {
		c, _, err := ws.Dial(ctx, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if typ, p, err := c.Read(ctx); typ != ws.Binary || string(p) != "HELLO" {
			t.Fatal(typ, string(p), err)
		}
		c.Close(ws.StatusNormalClosure, "")
	}
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	if page, _ := io.ReadAll(resp.Body); !strings.Contains(string(page), "<title>") {
		t.Fatalf("%s", page)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
