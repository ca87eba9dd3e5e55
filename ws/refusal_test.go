//go:build !js

package ws

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestRefusalOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		ref    Refusal
		status int
		body   string
	}{
		"zero":           {Refusal{}, 403, "Forbidden\n"},
		"chosen":         {Refusal{Status: 401, Body: "who are you?"}, 401, "who are you?\n"},
		"not a refusal":  {Refusal{Status: 200}, 500, "Internal Server Error\n"},
		"no such status": {Refusal{Status: 1000}, 500, "Internal Server Error\n"},
		"unnamed status": {Refusal{Status: 599}, 599, "refused\n"},
	} {
		c.ref.Header = http.Header{
			"X-Good":             {"a", "b"},
			"X-Bad":              {"a\r\nX-Injected: yes", "nul\x00"},
			"Bad Name":           {"x"},
			"X: y\r\nX-Injected": {"yes"},
			"Content-Length":     {"999"},
			"Connection":         {"keep-alive"},
		}
		raw := c.ref.append(nil)
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			t.Fatalf("%s: %v in %q", name, err, raw)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != c.status || string(body) != c.body || !resp.Close {
			t.Errorf("%s: %s, close %v, body %q, %v", name, resp.Status, resp.Close, body, err)
		}
		if got := resp.Header["X-Good"]; len(got) != 2 {
			t.Errorf("%s: X-Good is %q", name, got)
		}
		if bytes.Contains(raw, []byte("Injected")) || bytes.Contains(raw, []byte("X-Bad")) || bytes.Contains(raw, []byte("Bad Name")) {
			t.Errorf("%s: headers were injected: %q", name, raw)
		}

		client, server := net.Pipe()
		before := Stats().Refused
		go c.ref.send(server)
		if sent, err := io.ReadAll(client); !bytes.Equal(sent, raw) || Stats().Refused == before {
			t.Errorf("%s: sent %q, %v; counted %d", name, sent, err, Stats().Refused-before)
		}
		before = Stats().Refused
		w := httptest.NewRecorder()
		w.Header().Set("Content-Length", "12345")
		c.ref.Header = http.Header{"X-Good": {"a", "b"}}
		c.ref.answer(w)
		if n := Stats().Refused - before; n < 1 {
			t.Errorf("%s: Stats counted %d refusals more", name, n)
		}
		if w.Code != c.status || w.Body.String() != c.body || len(w.Header()["X-Good"]) != 2 || w.Header().Get("Content-Length") != "" {
			t.Errorf("%s through net/http: %d, %q, %v", name, w.Code, w.Body, w.Header())
		}
	}
}

func TestRefusalOf(t *testing.T) {
	own := &Refusal{Status: 401, Body: "who?"}
	if got := refusalOf(fmt.Errorf("wrapped: %w", own)); got != own {
		t.Errorf("a wrapped Refusal became %v", got)
	}
	secret := errors.New("password table is gone")
	got := refusalOf(secret)
	if got.status() != 403 || bytes.Contains(got.append(nil), []byte("password")) {
		t.Errorf("another error became %q", got.append(nil))
	}
	if !errors.Is(got, secret) {
		t.Error("the error is lost to the caller")
	}
}
