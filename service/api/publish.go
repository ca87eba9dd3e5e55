package api

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/live/protocol"
)

const maxBatch = 1000

// results are what became of many messages, in their order.
type results struct {
	Results []published `json:"results"`
}

// publish handles one message, or many. Of those to one room each is published when the one before it is stored, and when one fails those
// behind it are not published. What became of each is said in their order.
func (h *Handler) publish(ctx context.Context, in input) (any, error) {
	o, err := parseObject(in.body, append([]string{"messages"}, messageNames...)...)
	if err != nil {
		return nil, err
	}
	raws, err := o.list("messages", maxBatch)
	if err != nil {
		return nil, err
	}
	if raws == nil {
		m, err := o.message()
		if err == nil {
			err = m.check()
		}
		if err != nil {
			return nil, err
		}
		return h.publishOne(ctx, &m)
	}
	if len(raws) == 0 {
		return nil, invalid("there are no messages")
	}
	if o.isMessage() {
		return nil, invalid("there is one message, and there are messages")
	}
	messages := make([]message, len(raws))
	for i, raw := range raws {
		o, err := parseObject(raw, messageNames...)
		if err == nil {
			messages[i], err = o.message()
		}
		if err != nil {
			return nil, err
		}
	}
	return h.publishAll(ctx, messages), nil
}

// publishAll publishes messages, those to one room one after the other.
func (h *Handler) publishAll(ctx context.Context, messages []message) results {
	rooms := map[string]int{}
	var byRoom [][]int
	for i := range messages {
		n, ok := rooms[messages[i].room]
		if !ok {
			n = len(byRoom)
			rooms[messages[i].room] = n
			byRoom = append(byRoom, nil)
		}
		byRoom[n] = append(byRoom[n], i)
	}
	became := make([]published, len(messages))
	each(len(byRoom), func(n int) {
		failed := false
		for _, i := range byRoom[n] {
			m := &messages[i]
			if failed {
				became[i] = published{Room: m.room, Error: protocol.Errorf(protocol.CodeAborted, "one before it to this room has failed")}
				continue
			}
			err := m.check()
			if err == nil {
				became[i], err = h.publishOne(ctx, m)
			}
			if err != nil {
				became[i], failed = published{Room: m.room, Error: h.errorOf(err)}, true
			}
		}
	})
	return results{became}
}

// broadcast publishes the same to rooms, and sends it to users. To users it goes at most once, and to those who are there.
func (h *Handler) broadcast(ctx context.Context, in input) (any, error) {
	o, err := parseObject(in.body, append([]string{"rooms", "users"}, messageNames[1:]...)...)
	if err != nil {
		return nil, err
	}
	rooms, err := o.texts("rooms", maxBatch)
	if err != nil {
		return nil, err
	}
	users, err := o.texts("users", maxBatch-len(rooms))
	if err != nil {
		return nil, err
	}
	if len(rooms)+len(users) == 0 {
		return nil, invalid("there are no rooms and no users")
	}
	one, err := o.message()
	if err == nil {
		err = one.check()
	}
	if err != nil {
		return nil, err
	}
	became := make([]published, len(rooms), len(rooms)+len(users))
	each(len(rooms), func(i int) {
		m := one
		m.room = rooms[i]
		var err error
		if became[i], err = h.publishOne(ctx, &m); err != nil {
			became[i].Error = h.errorOf(err)
		}
	})
	for _, user := range users {
		p := published{User: user}
		if e := protocol.CheckUser(user); e != nil {
			p.Error = e
		} else if err := h.hub.User(user).Send(ctx, one.typ, one.data); err != nil {
			p.Error = h.errorOf(err)
		}
		became = append(became, p)
	}
	return results{slices.Clip(became)}, nil
}

// each calls f for 0 to n-1, at most 64 at a time, and returns when all have. A panic of one is the caller's then: in a goroutine
// of its own it would end the process.
func each(n int, f func(i int)) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var panicked any
	slots := make(chan struct{}, 64)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			defer func() {
				if v := recover(); v != nil {
					mu.Lock()
					defer mu.Unlock()
					panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
				}
			}()
			f(i)
		})
	}
	all.Wait()
	if panicked != nil {
		panic(panicked)
	}
}
