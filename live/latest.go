package live

import (
	"container/list"
	"iter"
)

// latest has the latest value of each key, in the order in which they were put.
type latest[V any] struct {
	byKey map[string]*list.Element
	order list.List // of keyed[V], oldest first
}

type keyed[V any] struct {
	key   string
	value V
}

// put makes v the newest, and returns the value that it replaces.
func (l *latest[V]) put(key string, v V) (old V, replaced bool) {
	old, replaced = l.remove(key)
	if l.byKey == nil {
		l.byKey = map[string]*list.Element{}
	}
	l.byKey[key] = l.order.PushBack(keyed[V]{key, v})
	return old, replaced
}

func (l *latest[V]) get(key string) (v V, ok bool) {
	e := l.byKey[key]
	if e == nil {
		return v, false
	}
	return e.Value.(keyed[V]).value, true
}

func (l *latest[V]) remove(key string) (v V, ok bool) {
	e := l.byKey[key]
	if e == nil {
		return v, false
	}
	delete(l.byKey, key)
	return l.order.Remove(e).(keyed[V]).value, true
}

func (l *latest[V]) len() int { return len(l.byKey) }

// oldest returns the value that was put longest ago.
func (l *latest[V]) oldest() (key string, v V) {
	k := l.order.Front().Value.(keyed[V])
	return k.key, k.value
}

// newest yields the values, the newest first.
func (l *latest[V]) newest() iter.Seq[V] {
	return func(yield func(V) bool) {
		for e := l.order.Back(); e != nil && yield(e.Value.(keyed[V]).value); e = e.Prev() {
		}
	}
}
