package natsbroker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/livetest"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// freeAddr returns an address on which nothing listens, for what has to be told it before it does. Its port is none that
// a system gives to who asks for any: nobody takes it meanwhile but who is told to.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		if ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000))); err == nil {
			ln.Close()
			return ln.Addr().String()
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// cluster starts three servers that know each other, until the test ends.
func cluster(t *testing.T) []*server.Server {
	t.Helper()
	var ports []int
	var routes []*url.URL
	for range 3 { // each has to know the others before it starts
		addr := freeAddr(t)
		port, err := strconv.Atoi(addr[strings.LastIndexByte(addr, ':')+1:])
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: addr})
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
		// Servers that keep the streams of all that was tested before are busy with those alone.
		js := streams(t, servers[n%len(servers)].ClientURL())
		t.Cleanup(func() {
			for name := range js.StreamNames(context.Background()).Name() {
				if err := js.DeleteStream(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		})
		return b
	}, nil)
}

// What one node has stored, the next one reads, though the server that it asks may not have it yet.
func TestReadsAreNotStale(t *testing.T) {
	var all []*natsbroker.Broker
	for _, ns := range cluster(t) {
		b, err := natsbroker.Connect(ns.ClientURL(), &natsbroker.Options{Replicas: 3, Shards: 1, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		if err := b.Configure(kept); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	var group sync.WaitGroup
	for g := range 30 {
		group.Go(func() {
			for i := range 30 {
				// A machine that is busy elects another leader now and then: nothing is stored or read for a moment.
				var st live.Stored
				var page live.Page
				err := again(func() (err error) {
					st, err = put(all[g%3], keptRoom(g), fmt.Sprint("m", i))
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				err = again(func() (err error) {
					page, err = all[(g+1)%3].History(t.Context(), keptRoom(g), live.Query{From: st.Pos.Seq, Limit: 1})
					return err
				})
				if err != nil || len(page.Messages) != 1 || page.Head != st.Pos {
					t.Errorf("%v was stored, and what is read is %+v, %v", st.Pos, page, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// again repeats what is unavailable, for half a minute at most.
func again(f func() error) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err := f(); !errors.Is(err, live.ErrUnavailable) || time.Now().After(end) {
			return err
		}
	}
}
