package webhook

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Guard is Verify for a receiver that knows again what was there. All its methods may be called at the same time. It is of use within
// one process: several that stand behind one address must keep the ids in common.
type Guard struct {
	keys [][]byte
	max  int

	mu    sync.Mutex
	queue []visit // as they came, from first on
	first int
	ids   map[string]int // how many in the queue have it
	sums  map[[sha256.Size]byte]bool
	floor int64 // what is not later, and not in the queue, may have been forgotten
}

// visit is a request that was there.
type visit struct {
	id  string
	sum [sha256.Size]byte
	at  int64
}

// NewGuard returns a Guard with these secrets that remembers that many requests, with about 300 bytes each. 0 means 100,000. When there come more within
// twice Tolerance, it forgets the oldest, and takes no request any more that is as old.
func NewGuard(max int, secrets ...string) (*Guard, error) {
	keys, err := keysOf(secrets)
	if err != nil {
		return nil, fmt.Errorf("webhook: NewGuard: %w", err)
	}
	if max < 0 {
		return nil, fmt.Errorf("webhook: NewGuard: a negative number of requests")
	}
	if max == 0 {
		max = 100_000
	}
	return &Guard{keys: keys, max: max, ids: map[string]int{}, sums: map[[sha256.Size]byte]bool{}}, nil
}

// Check does what Verify does, and notes the request. again says that a request with this id was there: the sender has had no answer
// and repeats it. Answer as before; what has effects must not have them twice. The very same request once more is ErrReplay: the sender
// never sends one twice.
func (g *Guard) Check(header http.Header, body []byte, now time.Time) (id string, again bool, err error) {
	id, at, err := verify(header, body, now, g.keys)
	if err != nil {
		return "", false, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s.%d.", id, at)
	h.Write(body)
	v := visit{id: id, at: at}
	h.Sum(v.sum[:0])
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.queue) > g.first && now.Sub(time.Unix(g.queue[g.first].at, 0)) > Tolerance {
		g.forget() // verify refuses it from now on
	}
	switch {
	case g.sums[v.sum]:
		return "", false, ErrReplay
	case at <= g.floor:
		return "", false, ErrTime
	}
	for len(g.queue)-g.first >= g.max { // for a good one alone: a replay must not push anything out
		g.floor = max(g.floor, g.forget())
	}
	again = g.ids[id] > 0
	g.queue = append(g.queue, v)
	g.ids[id]++
	g.sums[v.sum] = true
	return id, again, nil
}

// forget drops the oldest visit, and returns its time.
func (g *Guard) forget() int64 {
	v := g.queue[g.first]
	g.queue[g.first] = visit{}
	g.first++
	delete(g.sums, v.sum)
	if g.ids[v.id]--; g.ids[v.id] == 0 {
		delete(g.ids, v.id)
	}
	if g.first > len(g.queue)/2 { // the front half is free
		g.queue = append(g.queue[:0], g.queue[g.first:]...)
		g.first = 0
	}
	return v.at
}
