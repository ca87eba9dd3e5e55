package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/api"
)

// A body that two programs would read differently is refused, and so is what members could not read.
func TestHostileBodies(t *testing.T) {
	d := open(t)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tc := range []struct {
		status     int
		path, body string
	}{
		{400, "publish", `{"room":"room:7","room":"room:8","type":"n"}`},
		{400, "publish", `{"room":"room:7","Room":"room:8","type":"n"}`},
		{400, "publish", `{"ROOM":"room:7","type":"n"}`},
		{400, "publish", `{"room":"room:7","\u0072oom":"room:8","type":"n"}`},
		{400, "publish", `{"room":"room:7","type":"n","data":1,"data":2}`},
		{400, "publish", `{"room":null,"room":"room:7","type":"n"}`},
		{400, "publish", `{"messages":[{"room":"room:7","type":"n"},{"room":"room:7","type":"n","type":"m"}]}`},
		{400, "publish", `{"messages":[{"room":"room:7","type":"n","TYPE":"m"}]}`},
		{400, "publish", `{"messages":[{"room":"room:7","type":"n"}],"messages":[]}`},
		{400, "publish", `{"messages":[]}`},
		{400, "publish", `{"messages":[null]}`},
		{400, "publish", `{"messages":{"0":{"room":"room:7","type":"n"}}}`},
		{400, "publish", `{"messages":[{"room":"room:7","type":"n"}],"mid":"m"}`},
		{400, "publish", `{"messages":[{"room":"room:7","type":"n"}],"volatile":false}`},
		{400, "publish", "{\"room\":\"room:7\",\"type\":\"n\",\"data\":\"\xff\"}"},
		{400, "publish", "{\"room\":\"room:7\xc0\xaf\",\"type\":\"n\"}"},
		{400, "publish", "\xef\xbb\xbf{\"room\":\"room:7\",\"type\":\"n\"}"},
		{400, "publish", `{"room":"room:7","type":"n","data":` + deep(32) + `}`},
		{400, "publish", `{"room":"room:7","type":"n","data":` + deep(100_000) + `}`},
		{400, "publish", strings.Repeat(`{"messages":[`, 100_000)},
		{400, "publish", strings.Repeat(`[`, 4<<20)},
		{400, "publish", `{"room":"room:7","type":"n","data":1e999}`},
		{400, "publish", `{"room":"room:7","type":"n","data":-1e99999999999999999999}`},
		{400, "publish", `{"room":"room:7","type":"n","data":` + strings.Repeat("9", 400_000) + `}`},
		{400, "publish", `{"room":"room:7","type":"n","volatile":1}`},
		{400, "publish", `{"room":"room:7","type":"n","volatile":"true"}`},
		{400, "publish", `{"room":["room:7"],"type":"n"}`},
		{400, "publish", `{"room":7,"type":"n"}`},
		{400, "publish", `{"room":"room:7","type":"n",}`},
		{400, "publish", `{"room":"room:7","type":"n"}]`},
		{400, "publish", `{"room":"room:7","type":"n"` + "\x00}"},
		{400, "publish", `{"room":"room:7" /* */,"type":"n"}`},
		{400, "publish", `{"room":'room:7',"type":"n"}`},
		{400, "publish", `{"room":"room:7","type":"n","data":NaN}`},
		{400, "publish", `{"__proto__":{},"room":"room:7","type":"n"}`},
		{413, "publish", `{"room":"room:7","type":"n","mid":"` + strings.Repeat("m", 65) + `"}`},
		{413, "publish", `{"room":"room:7","type":"n","data":"` + strings.Repeat("x", 512<<10) + `"}`},
		{400, "broadcast", `{"rooms":["room:7"],"Rooms":["room:8"],"type":"n"}`},
		{400, "broadcast", `{"rooms":["room:7",8],"type":"n"}`},
		{400, "broadcast", `{"rooms":[null],"type":"n"}`},
		{400, "broadcast", `{"rooms":"room:7","type":"n"}`},
		{413, "broadcast", `{"rooms":["room:7"],"users":[` + strings.Repeat(`"ann",`, 999) + `"bob"],"type":"n"}`},
		{400, "disconnect", `{"user":"ann","User":"bob"}`},
		{400, "disconnect", `{"user":"ann","user":"bob"}`},
		{400, "disconnect", `{"user":"ann","ſession":"x"}`},
	} {
		code, _, text := d.ask("POST", "/api/"+tc.path, tc.body)
		if code != tc.status || len(text) > 500 {
			t.Errorf("%s %.80s: %d %.500s, want %d", tc.path, tc.body, code, text, tc.status)
		}
	}
	d.want(200, "GET", "/api/history?room=room:7", "", `{"messages":[]}`)
	d.want(200, "POST", "/api/publish", `{"room":"room:7","type":"n","mid":null,"data":`+deep(31)+`}`, `{"room":"room:7"}`)
	d.want(200, "POST", "/api/publish", `{"room":"room:7","type":"n","data":"\ufffd\u0000","messages":null}`, `{"room":"room:7"}`)
}

// A body has its bounds, whether it says how long it is or not, and comes as it is.
func TestBodyLimits(t *testing.T) {
	d := open(t)
	ask := func(body io.Reader, length int64, encoding string) (int, string) {
		r, err := http.NewRequest("POST", d.url+"/api/publish", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = length
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		if sent, ok := body.(*strings.Reader); ok {
			sent.Seek(0, io.SeekStart)
			all, _ := io.ReadAll(sent)
			described().check(r, all, resp.StatusCode, resp.Header, text)
		}
		return resp.StatusCode, string(text)
	}
	message := `{"room":"room:7","type":"n"}`
	padded := message + strings.Repeat(" ", 4<<20-len(message))
	if code, text := ask(strings.NewReader(padded), -1, ""); code != 200 {
		t.Errorf("4 MiB: %d %s", code, text)
	}
	if code, text := ask(strings.NewReader(padded+" "), -1, ""); code != 413 {
		t.Errorf("4 MiB and 1, in chunks: %d %s", code, text)
	}
	// What says that it is too long is not waited for.
	resp := raw(t, strings.TrimPrefix(d.url, "http://"), "POST", "/api/publish",
		"Authorization: Bearer "+key+"\r\nContent-Type: application/json\r\nContent-Length: 4194305\r\n")
	if resp.StatusCode != 413 {
		t.Errorf("4 MiB and 1, declared: %d", resp.StatusCode)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, message)
	z.Close()
	for _, encoding := range []string{"gzip", "identity", "br, gzip"} {
		if code, text := ask(bytes.NewReader(packed.Bytes()), int64(packed.Len()), encoding); code != 400 {
			t.Errorf("%s: %d %s", encoding, code, text)
		}
	}
}

// pipes is a listener without a network: it accepts what is sent to it.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// A body that does not come, and an answer that nobody takes, hold a connection no longer than the API has patience; and a
// connection that is used again is not held to a deadline of the request before.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := live.NewHub(nil)
		hub.ConfigureRooms("room:*", live.RoomOptions{})
		h, err := api.New(hub, key)
		if err != nil {
			t.Fatal(err)
		}
		door := make(pipes)
		s := &http.Server{Handler: h}
		served := make(chan error, 1)
		go func() { served <- s.Serve(door) }()
		dial := func(request string) net.Conn {
			here, there := net.Pipe()
			door <- there
			go io.WriteString(here, request)
			return here
		}
		to := func(path string) string {
			return "POST /api/" + path + " HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
		}
		good := "Authorization: Bearer " + key + "\r\n"
		message := `{"room":"room:7","type":"n"}`
		whole := fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", to("publish"), good, len(message), message)

		for _, tc := range []struct{ path, name, more, want string }{
			{"publish", "a body that stops", good + "Content-Length: 100\r\n\r\n{", "HTTP/1.1 408 "},
			{"broadcast", "chunks that stop", good + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", "HTTP/1.1 408 "},
			{"disconnect", "nothing of a body", good + "Content-Length: 100\r\n\r\n", "HTTP/1.1 408 "},
			{"publish", "a body without a key", "Content-Length: 100\r\n\r\n{", "HTTP/1.1 401 "},
		} {
			began := time.Now()
			c := dial(to(tc.path) + tc.more)
			answer, err := io.ReadAll(c) // until the server closes it
			if took := time.Since(began); err != nil || !strings.HasPrefix(string(answer), tc.want) || !strings.Contains(string(answer), `{"error":`) || took > 11*time.Second {
				t.Errorf("%s: %.60q, %v after %v", tc.name, answer, err, took)
			}
			c.Close()
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			described().check(httptest.NewRequest("POST", "/api/"+tc.path, nil), []byte("{"), resp.StatusCode, resp.Header, text)
		}

		c := dial(whole)
		began := time.Now()
		time.Sleep(time.Minute) // it takes nothing
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("an answer was still there after %v", time.Since(began))
		}
		c.Close()

		c = dial(whole)
		for range 3 {
			p := make([]byte, 1000)
			n, err := c.Read(p)
			if err != nil || !strings.HasPrefix(string(p[:n]), "HTTP/1.1 200 ") {
				t.Fatalf("%q, %v", p[:n], err)
			}
			for !strings.HasSuffix(string(p[:n]), "}\n") {
				more, err := c.Read(p[n:])
				if n += more; err != nil {
					t.Fatalf("%q, %v", p[:n], err)
				}
			}
			time.Sleep(time.Minute) // longer than any deadline of the request before
			go io.WriteString(c, whole)
		}
		c.Close()
		s.Close()
		<-served
		hub.Close()
	})
}
