package console

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// cache holds a list that all viewers share, and makes it anew when it is asked for: at most once a second, and less often
// where that takes long.
type cache[T any] struct {
	make func() T

	mu    sync.Mutex
	until time.Time
	value T
}

const cacheShare = 50 // a list is kept for so many times what it took to make it

// get returns the list. Nobody changes it.
func (c *cache[T]) get(now time.Time) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.After(c.until) {
		begun := time.Now()
		c.value = c.make()
		c.until = now.Add(max(time.Second-100*time.Millisecond, cacheShare*time.Since(begun)))
	}
	return c.value
}

// stale has the list made anew: somebody has changed what is in it.
func (c *cache[T]) stale() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}

// search is what a page of a table is asked with.
type search struct {
	Text       string `json:"text"`
	Room       string `json:"room"` // of sessions: those that are in it
	Sort       string `json:"sort"`
	Descending bool   `json:"descending"`
	Offset     int    `json:"offset"`
	Limit      int    `json:"limit"` // 0: maxRows
}

// page is a part of a table.
type page[Row any] struct {
	Rows  []Row `json:"rows"`
	Found int   `json:"found"` // rows that match
	All   int   `json:"all"`
}

// find returns a page of the rows that match, in an order that is total.
func find[Row, Shown any](c *Console, rows []Row, q search, matches func(*Row) bool, orders map[string]func(a, b *Row) int, show func(*Row) Shown) (page[Shown], error) {
	order, ok := orders[cmp.Or(q.Sort, "")]
	if !ok {
		return page[Shown]{}, protocol.Errorf(protocol.CodeInvalid, "there is no such order")
	}
	if len(q.Text) > maxSearch || len(q.Room) > protocol.MaxRoom {
		return page[Shown]{}, protocol.Errorf(protocol.CodeTooLarge, "a search has %d bytes at most", maxSearch)
	}
	if q.Offset < 0 || q.Limit < 0 || q.Limit > maxRows {
		return page[Shown]{}, protocol.Errorf(protocol.CodeInvalid, "a page has %d rows at most", maxRows)
	}
	c.work.Lock() // a table of ten thousand takes some milliseconds: viewers together take one core at most
	defer c.work.Unlock()
	found := make([]*Row, 0, len(rows))
	for i := range rows {
		if matches(&rows[i]) {
			found = append(found, &rows[i])
		}
	}
	way := 1
	if q.Descending {
		way = -1
	}
	slices.SortFunc(found, func(a, b *Row) int {
		return cmp.Or(way*order(a, b), orders[""](a, b))
	})
	p := page[Shown]{Rows: []Shown{}, Found: len(found), All: len(rows)}
	from := min(q.Offset, len(found))
	for _, row := range found[from:min(from+cmp.Or(q.Limit, maxRows), len(found))] {
		p.Rows = append(p.Rows, show(row))
	}
	return p, nil
}

// contains reports whether a text has another one in it, which is in lower case.
func contains(text, part string) bool { return strings.Contains(strings.ToLower(text), part) }
