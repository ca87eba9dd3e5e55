package natsbroker_test

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/livetest"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// cluster starts three servers that know each other, until the test ends.
func cluster(t *testing.T) []*server.Server {
	t.Helper()
	var ports []int
	var routes []*url.URL
	for range 3 { // each has to know the others before it starts
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		l.Close()
	}
	var all []*server.Server
	for i, port := range ports {
		all = append(all, node(t, i, port, t.TempDir(), routes))
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		leader := false
		for _, ns := range all {
			leader = leader || ns.JetStreamIsLeader() && len(ns.JetStreamClusterPeers()) == len(all)
		}
		if leader {
			return all
		}
		if time.Now().After(end) {
			t.Fatal("the cluster has no leader")
		}
	}
}

// node starts one of them.
func node(t *testing.T, i, port int, dir string, routes []*url.URL) *server.Server {
	t.Helper()
	ns, err := server.NewServer(&server.Options{
		ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, Routes: routes,
		Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	ns.Start()
	return ns
}

func TestCluster(t *testing.T) {
	servers := cluster(t)
	n := 0
	livetest.TestBroker(t, func(t *testing.T) live.Broker {
		n++
		b, err := natsbroker.Connect(servers[n%len(servers)].ClientURL(),
			&natsbroker.Options{Name: fmt.Sprint("t", n), Replicas: 3, Shards: 1, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, nil)
}
