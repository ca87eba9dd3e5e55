package natsbroker_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
	"github.com/tidewire/tidewire/live/protocol"
)

// docs/scaling-cluster.md has what these have measured.

// setups are where benchmarks store. All servers of a cluster are in this one process, on the same disk.
var setups = []struct {
	servers int
	every   time.Duration
}{{1, 0}, {1, time.Second}, {3, 0}, {3, time.Second}}

// each runs a benchmark with a broker on each of a setup's servers.
func each(b *testing.B, f func(b *testing.B, all []*natsbroker.Broker)) {
	for _, set := range setups {
		synced := "each message"
		if set.every > 0 {
			synced = "each second"
		}
		b.Run(fmt.Sprintf("%d servers synced %s", set.servers, synced), func(b *testing.B) {
			var peers []string
			for range set.servers {
				peers = append(peers, freeAddr(b))
			}
			dir := b.TempDir()
			all := make([]*natsbroker.Broker, set.servers)
			var starting sync.WaitGroup
			for i := range all {
				o := natsbroker.ServerOptions{Dir: filepath.Join(dir, fmt.Sprint(i)), SyncEvery: set.every, Logger: quiet}
				if set.servers > 1 {
					o.Cluster = &natsbroker.ClusterOptions{Name: "bench", Listen: peers[i], Peers: peers}
				}
				starting.Go(func() {
					s, err := natsbroker.StartServer(o)
					if err != nil {
						b.Error(err)
						return
					}
					b.Cleanup(func() { s.Close() })
					if all[i], err = s.Connect(&natsbroker.Options{Logger: quiet}); err != nil {
						b.Error(err)
						return
					}
					b.Cleanup(func() { all[i].Close() })
					if err := all[i].Configure(recent); err != nil {
						b.Error(err)
					}
				})
			}
			starting.Wait()
			for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if !slices.ContainsFunc(all, func(x *natsbroker.Broker) bool { return !x.Available() }) {
					break
				}
				if time.Now().After(end) {
					b.Fatal("the cluster does not begin")
				}
			}
			f(b, all)
		})
	}
}

var recent = &live.Retention{Pattern: "recent:*", History: 100}

func recentRoom(n int) live.Room { return live.Room{Name: fmt.Sprint("recent:", n), Retention: recent} }

func benchMessage(room live.Room, n int) *live.Publish {
	mid := fmt.Sprint("m", n)
	return &live.Publish{Room: room, DedupeKey: room.Name + "\x00" + mid,
		Message: &live.Message{Type: "n", Room: room.Name, Mid: mid, Data: []byte(`"` + strings.Repeat("x", 100) + `"`), Codec: protocol.JSON}}
}

// BenchmarkPublish stores 100 bytes in one of 100 rooms, with 256 publishes under way.
func BenchmarkPublish(b *testing.B) {
	each(b, func(b *testing.B, all []*natsbroker.Broker) {
		free := make(chan struct{}, 256)
		var failed atomic.Int64
		b.ResetTimer()
		for i := range b.N {
			free <- struct{}{}
			all[i%len(all)].Publish(benchMessage(recentRoom(i%100), i), func(_ live.Stored, err error) {
				if err != nil {
					failed.Add(1)
				}
				<-free
			})
		}
		for range cap(free) {
			free <- struct{}{}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "publishes/s")
		if n := failed.Load(); n > 0 {
			b.Errorf("%d failed", n)
		}
	})
}

// clock is a Sink that notes when messages come.
type clock struct{ came chan time.Time }

func (c clock) Deliver(*live.Message) { c.came <- time.Now() }
func (c clock) Check(live.Position)   {}

// BenchmarkDeliver is one publish after the other, and how long each takes to come to a subscriber of the last node.
func BenchmarkDeliver(b *testing.B) {
	each(b, func(b *testing.B, all []*natsbroker.Broker) {
		c := clock{make(chan time.Time, 1)}
		cancel, err := all[len(all)-1].Subscribe(recentRoom(0), c)
		if err != nil {
			b.Fatal(err)
		}
		defer cancel()
		time.Sleep(100 * time.Millisecond) // that the other servers know of it
		var took []time.Duration
		b.ResetTimer()
		for i := range b.N {
			began := time.Now()
			all[0].Publish(benchMessage(recentRoom(0), i), func(_ live.Stored, err error) {
				if err != nil {
					b.Error(err)
				}
			})
			took = append(took, (<-c.came).Sub(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	})
}

// BenchmarkHistory reads the last 100 messages of one of 1,000 rooms.
func BenchmarkHistory(b *testing.B) {
	each(b, func(b *testing.B, all []*natsbroker.Broker) {
		free := make(chan struct{}, 256)
		first := make([]atomic.Uint64, 1000)
		for i := range 100_000 {
			free <- struct{}{}
			all[0].Publish(benchMessage(recentRoom(i%1000), i), func(st live.Stored, err error) {
				if err != nil {
					b.Error(err)
				}
				first[i%1000].CompareAndSwap(0, st.Pos.Seq)
				<-free
			})
		}
		for range cap(free) {
			free <- struct{}{}
		}
		b.ResetTimer()
		for i := range b.N {
			n := i * 7 % 1000
			page, err := all[len(all)-1].History(b.Context(), recentRoom(n), live.Query{From: first[n].Load(), Limit: 100})
			if err != nil || len(page.Messages) < 99 {
				b.Fatalf("%d messages, %v", len(page.Messages), err)
			}
		}
	})
}

// BenchmarkRooms says what 100,000 rooms take in the memory of one server, its broker included: with a message in each, and then
// with this node listening to all of them. One round is enough: -benchtime 1x.
func BenchmarkRooms(b *testing.B) {
	const rooms = 100_000
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools have let go of
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	for range b.N {
		s, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: b.TempDir(), SyncEvery: time.Second, Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		x, err := s.Connect(&natsbroker.Options{Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		if err := x.Configure(recent); err != nil {
			b.Fatal(err)
		}
		before := heap()
		free := make(chan struct{}, 256)
		for i := range rooms {
			free <- struct{}{}
			x.Publish(benchMessage(recentRoom(i), i), func(_ live.Stored, err error) {
				if err != nil {
					b.Error(err)
				}
				<-free
			})
		}
		for range cap(free) {
			free <- struct{}{}
		}
		stored := heap()
		for i := range rooms {
			if _, err := x.Subscribe(recentRoom(i), clock{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(stored-before, "MB-stored")
		b.ReportMetric(heap()-stored, "MB-listening")
		x.Close()
		s.Close()
	}
}

// BenchmarkHandover closes one of three servers and starts it again, each in turn, while another one's broker publishes to
// 100 rooms, and says how long at most a room had to wait for an acknowledgement.
func BenchmarkHandover(b *testing.B) {
	const rooms = 100
	var peers []string
	for range 3 {
		peers = append(peers, freeAddr(b))
	}
	dir := b.TempDir()
	servers, brokers := make([]*natsbroker.Server, 3), make([]*natsbroker.Broker, 3)
	start := func(i int) {
		var err error
		if servers[i], err = natsbroker.StartServer(natsbroker.ServerOptions{
			Dir: filepath.Join(dir, fmt.Sprint(i)), SyncEvery: time.Second, Logger: quiet,
			Cluster: &natsbroker.ClusterOptions{Name: "bench", Listen: peers[i], Peers: peers},
		}); err != nil {
			b.Error(err)
			return
		}
		if brokers[i], err = servers[i].Connect(&natsbroker.Options{Logger: quiet}); err != nil {
			b.Error(err)
			return
		}
		if err := brokers[i].Configure(recent); err != nil {
			b.Error(err)
		}
	}
	stop := func(i int) {
		brokers[i].Close()
		servers[i].Close()
	}
	var starting sync.WaitGroup
	for i := range servers {
		starting.Go(func() { start(i) })
	}
	starting.Wait()
	var worst []time.Duration
	n := 0
	for round := 0; b.Loop(); round++ {
		closing, other := round%3, brokers[(round+1)%3]
		// last is when a room was last acknowledged; the longest wait is until the next time.
		var mu sync.Mutex
		last, longest := map[int]time.Time{}, time.Duration(0)
		var publishing, flying sync.WaitGroup
		over := make(chan struct{})
		publishing.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(time.Millisecond):
				}
				n++
				at := n % rooms
				flying.Add(1)
				other.Publish(benchMessage(recentRoom(at), n), func(_ live.Stored, err error) {
					defer flying.Done()
					if err != nil {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					now := time.Now()
					if was, ok := last[at]; ok {
						longest = max(longest, now.Sub(was))
					}
					last[at] = now
				})
			}
		})
		time.Sleep(2 * time.Second)
		stop(closing)
		time.Sleep(2 * time.Second)
		close(over)
		publishing.Wait()
		flying.Wait()
		worst = append(worst, longest)
		start(closing)
		for end := time.Now().Add(20 * time.Second); slices.ContainsFunc(brokers, func(x *natsbroker.Broker) bool { return !x.Available() }); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				b.Fatal("the cluster does not go on")
			}
		}
	}
	for i := range servers {
		stop(i)
	}
	slices.Sort(worst)
	b.ReportMetric(float64(worst[len(worst)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(worst[len(worst)-1].Milliseconds()), "ms-max")
	b.ReportMetric(0, "ns/op")
}
