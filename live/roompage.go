package live

import (
	"container/heap"
	"slices"
	"strings"
)

// page returns the first rooms by name. It looks at each name once, and sorts and locks no more rooms than it returns.
func (rs *rooms) page(prefix, after string, most int) (page []*room, more bool) {
	var last lastFirst
	rs.mu.Lock()
	for name, r := range rs.all {
		switch {
		case name <= after || !strings.HasPrefix(name, prefix):
		case len(last) < most:
			heap.Push(&last, r)
		default:
			if more = true; most > 0 && name < last[0].name {
				last[0] = r
				heap.Fix(&last, 0)
			}
		}
	}
	rs.mu.Unlock()
	slices.SortFunc(last, func(a, b *room) int { return strings.Compare(a.name, b.name) })
	return last, more
}

// lastFirst is a heap of rooms with the last by name on top.
type lastFirst []*room

func (l lastFirst) Len() int           { return len(l) }
func (l lastFirst) Less(i, j int) bool { return l[i].name > l[j].name }
func (l lastFirst) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lastFirst) Push(x any)        { *l = append(*l, x.(*room)) }

// Pop is for heap.Interface; no room is taken away.
func (l *lastFirst) Pop() any {
	n := len(*l) - 1
	r := (*l)[n]
	*l = (*l)[:n]
	return r
}
