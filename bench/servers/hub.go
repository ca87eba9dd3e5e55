package servers

import "sync"

// hub is the connections of a fan-out, for the libraries that have none.
type hub[C comparable] struct {
	mu    sync.Mutex
	place map[C]int
	all   []C
}

func (h *hub[C]) join(c C) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.place == nil {
		h.place = make(map[C]int)
	}
	h.place[c] = len(h.all)
	h.all = append(h.all, c)
}

func (h *hub[C]) leave(c C) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := h.place[c]
	if !ok {
		return
	}
	last := len(h.all) - 1
	h.all[i] = h.all[last]
	h.place[h.all[i]] = i
	var none C
	h.all[last] = none
	h.all = h.all[:last]
	delete(h.place, c)
}

// each calls f for every connection, one caller at a time.
func (h *hub[C]) each(f func(C)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.all {
		f(c)
	}
}
