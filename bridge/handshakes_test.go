package bridge_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// TestHandshakesOfAnAddress has an address come and never ask for anything. It gets no further, and another address does.
func TestHandshakesOfAnAddress(t *testing.T) {
	const most = 1024
	before := descriptors(t)
	rule := pairRule(t, "ws", echo(t, "tcp"))
	b := run(t, rule)
	where := b.Addr(0).String()
	ask := func(conn net.Conn) error {
		conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, strings.Replace(upgrade, "GET /path", "GET /nothing", 1))
		p := make([]byte, 100)
		n, err := conn.Read(p)
		if err == nil && !strings.HasPrefix(string(p[:n]), "HTTP/1.1 404 ") {
			t.Errorf("%q", p[:n])
		}
		return err
	}
	var all []net.Conn
	for range most {
		conn, err := net.Dial("tcp", where)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		all = append(all, conn)
	}
	conn, err := net.Dial("tcp", where)
	if err == nil { // otherwise the reset was quicker than we
		defer conn.Close()
		err = ask(conn)
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("one more: %v, want a reset", err)
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	if conn, err = other.Dial("tcp", where); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := ask(conn); err != nil {
		t.Fatalf("from another address: %v", err)
	}
	// Those who ask are served, and those who are upgraded or go make room.
	if err := ask(all[0]); err != nil {
		t.Fatal(err)
	}
	for _, conn := range all[1:3] {
		conn.Close()
	}
	eventually(t, "there is room for one", func() bool {
		c, _, err := tryWS(b.at(0, rule.Listen), ws.DialOptions{})
		if err == nil {
			defer c.CloseNow()
		}
		return err == nil
	})
	eventually(t, "and for another", func() bool {
		resp, err := http.Get("http://" + where + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	http.DefaultClient.CloseIdleConnections()
	for _, conn := range all {
		conn.Close()
	}
	b.stop()
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before+3 }) // the target listens
}
