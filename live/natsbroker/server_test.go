package natsbroker

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A server that cannot store does not start: that is said at once, and nothing of it is left.
func TestStartFails(t *testing.T) {
	peers := make([]string, 3)
	for i := range peers {
		var err error
		if peers[i], err = unused(); err != nil {
			t.Fatal(err)
		}
	}
	for name, cluster := range map[string]*ClusterOptions{"alone": nil, "one of three": {Name: "c", Listen: peers[0], Peers: peers}} {
		t.Run(name, func(t *testing.T) {
			o := ServerOptions{Dir: t.TempDir(), Logger: half.Logger, Cluster: cluster}
			if _, err := claim(o.Dir, cluster); err != nil {
				t.Fatal(err)
			}
			store := filepath.Join(o.Dir, "jetstream")
			if err := os.WriteFile(store, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if s, err := StartServer(o); err == nil {
				s.Close()
				t.Fatal("it has started")
			}
			if d := time.Since(began); d > startWait/3 {
				t.Errorf("it has not started for %v", d)
			}
			if err := os.Remove(store); err != nil {
				t.Fatal(err)
			}
			s, err := StartServer(o)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		})
	}
}
