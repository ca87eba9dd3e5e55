package console

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

const (
	// MinKey is how many bytes a key has at least.
	MinKey = 16

	wrongBurst   = 5                // wrong keys of an address at once
	wrongEvery   = 10 * time.Second // and then one more
	maxAddresses = 4096             // of which that is known
)

// viewer is who has a key.
type viewer struct {
	name     string
	readOnly bool
}

func viewerOf(s *live.Session) viewer { v, _ := s.Identity().Claims.(viewer); return v }

// door knows the keys, and who has tried wrong ones.
type door struct {
	keys []struct {
		sum [sha256.Size]byte
		viewer
	}

	mu    sync.Mutex
	wrong map[netip.Addr]time.Time // until when its wrong keys count, at wrongEvery each
}

func (d *door) open(keys, readKeys []string) error {
	if len(keys)+len(readKeys) == 0 {
		return errors.New("console: there is no key")
	}
	d.wrong = map[netip.Addr]time.Time{}
	known := map[[sha256.Size]byte]bool{}
	for kind, some := range [][]string{keys, readKeys} {
		for i, key := range some {
			v := viewer{fmt.Sprintf("%s %d", []string{"key", "read key"}[kind], i+1), kind == 1}
			if len(key) < MinKey {
				return fmt.Errorf("console: %s has %d bytes; %d are the least", v.name, len(key), MinKey)
			}
			if protocol.CheckToken(key) != nil {
				return fmt.Errorf("console: %s is longer than %d bytes, or has others than printable ASCII", v.name, protocol.MaxToken)
			}
			sum := sha256.Sum256([]byte(key))
			if known[sum] {
				return fmt.Errorf("console: %s is there twice", v.name)
			}
			known[sum] = true
			d.keys = append(d.keys, struct {
				sum [sha256.Size]byte
				viewer
			}{sum, v})
		}
	}
	return nil
}

// find returns who has a key. How long that takes says nothing of the keys.
func (d *door) find(key string) (v viewer, ok bool) {
	sum := sha256.Sum256([]byte(key))
	found := -1
	for i := range d.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(d.keys[i].sum[:], sum[:]), i, found)
	}
	if found < 0 {
		return v, false
	}
	return d.keys[found].viewer, true
}

// locked returns for how long an address may not try.
func (d *door) locked(addr netip.Addr, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrong[addr].Add(-(wrongBurst - 1) * wrongEvery).Sub(now)
}

// note counts a wrong key.
func (d *door) note(addr netip.Addr, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	until := d.wrong[addr]
	if until.Before(now) {
		until = now
	}
	if _, ok := d.wrong[addr]; !ok && len(d.wrong) >= maxAddresses {
		for one := range d.wrong { // any: who has that many addresses has that many tries
			delete(d.wrong, one)
			break
		}
	}
	d.wrong[addr] = until.Add(wrongEvery)
}

// authenticate lets in who has a key.
func (c *Console) authenticate(_ context.Context, cr live.Credentials) (live.Identity, error) {
	now := time.Now()
	if wait := c.door.locked(cr.Address, now); wait > 0 {
		e := protocol.Errorf(protocol.CodeRate, "too many wrong keys came from this address: try again in %d s", int(wait.Seconds())+1)
		e.RetryAfter = wait.Milliseconds() + 1
		return live.Identity{}, e
	}
	if cr.Token == "" {
		return live.Identity{}, protocol.Errorf(protocol.CodeUnauthorized, "a key is needed, as the token of $hello")
	}
	v, ok := c.door.find(cr.Token)
	if !ok {
		c.door.note(cr.Address, now)
		c.log.Info("console: a wrong key", "remote", cr.RemoteAddr, "address", cr.Address)
		return live.Identity{}, protocol.Errorf(protocol.CodeUnauthorized, "this is not a key of this console")
	}
	return live.Identity{User: v.name, Claims: v}, nil
}
