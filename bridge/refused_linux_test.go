package bridge

import (
	"net"
	"testing"
	"time"
)

// TestRefusedDatagram has a target be there again after a datagram that met nobody: the next one reaches it.
func TestRefusedDatagram(t *testing.T) {
	target, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	where := target.LocalAddr().String()
	target.Close()
	conn, err := net.Dial("udp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	count := &counters{}
	d := newDatagrams(conn.(*net.UDPConn), count)
	if err := d.put([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	if target, err = net.ListenPacket("udp", where); err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if err := d.put([]byte("there")); err != nil {
		t.Fatal(err)
	}
	target.SetReadDeadline(time.Now().Add(20 * time.Second))
	p := make([]byte, 10)
	if n, _, err := target.ReadFrom(p); string(p[:n]) != "there" || count.dropped.Load() != 1 {
		t.Fatalf("%q, %v, %d dropped", p[:n], err, count.dropped.Load())
	}
}
