package live_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// heardBy is a key in contexts: whose hook made them.
type heardBy string

// Each hook of both is called, in order, whichever of the two have it.
func TestHooksAnd(t *testing.T) {
	var heard []string
	all := func(name string) *live.Hooks {
		h := &live.Hooks{}
		v := reflect.ValueOf(h).Elem()
		for i := range v.NumField() {
			field := v.Type().Field(i)
			v.Field(i).Set(reflect.MakeFunc(field.Type, func(args []reflect.Value) []reflect.Value {
				heard = append(heard, name+" "+field.Name)
				if field.Name != "Message" {
					return nil
				}
				ctx := context.WithValue(args[0].Interface().(context.Context), heardBy(name), true)
				return []reflect.Value{reflect.ValueOf(&ctx).Elem(), reflect.ValueOf(func(error) { heard = append(heard, name+" done") })}
			}))
		}
		return h
	}
	a, b, none := all("a"), all("b"), &live.Hooks{}
	for _, tc := range []struct {
		hooks *live.Hooks
		names []string
	}{
		{a.And(b), []string{"a", "b"}}, {a.And(none), []string{"a"}}, {none.And(b), []string{"b"}}, {a.And(nil), []string{"a"}},
		{(*live.Hooks)(nil).And(b), []string{"b"}}, {(*live.Hooks)(nil).And(nil), nil}, {none.And(none), nil},
	} {
		v := reflect.ValueOf(tc.hooks).Elem()
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if v.Field(i).IsNil() {
				if tc.names != nil {
					t.Errorf("%v: %s is nil", tc.names, name)
				}
				continue
			}
			heard = nil
			var args []reflect.Value
			for j := range v.Field(i).Type().NumIn() {
				args = append(args, reflect.Zero(v.Field(i).Type().In(j)))
			}
			var want []string
			for _, one := range tc.names {
				want = append(want, one+" "+name)
			}
			if name == "Message" {
				args[0] = reflect.ValueOf(context.Background())
				results := v.Field(i).Call(args)
				for _, one := range tc.names {
					if results[0].Interface().(context.Context).Value(heardBy(one)) == nil {
						t.Errorf("%v: the context of %s is lost", tc.names, one)
					}
				}
				results[1].Interface().(func(error))(nil)
				for _, one := range slices.Backward(tc.names) {
					want = append(want, one+" done")
				}
			} else {
				v.Field(i).Call(args)
			}
			if !slices.Equal(heard, want) {
				t.Errorf("%v: heard %q, want %q", tc.names, heard, want)
			}
		}
	}
}

// A message that was begun is over, however its handler ended; and whatever a client is told is heard.
func TestHooksHearOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		begun := 0
		var over, refused []string
		hooks := &live.Hooks{
			Message: func(ctx context.Context, _ *live.Session, m *live.Message) (context.Context, func(error)) {
				begun++
				return ctx, func(err error) {
					var e *live.Error
					if errors.As(err, &e) {
						over = append(over, m.Type+" "+e.Code)
					}
				}
			},
			Refused: func(_ *live.Session, m *live.Message, e *live.Error) { refused = append(refused, m.Type+" "+e.Code) },
		}
		k := newKit(t, &live.Options{Hooks: hooks}, func(h *live.Hub) {
			live.On(h, "panic", func(context.Context, *live.Session, any) error { panic("on purpose") })
		})
		a := k.dial()
		a.send(`{"type":"nobody","id":1}`)
		a.want(`{"type":"$error","re":1}`)
		a.send(`{"type":"$nobody","id":2}`) // comes to no handler
		a.want(`{"type":"$error","re":2}`)
		a.send(`{"type":"panic","id":3}`)
		a.closed()
		synctest.Wait()
		if want := []string{"nobody " + protocol.CodeUnknownType, "panic " + protocol.CodeInternal}; !slices.Equal(over, want) || begun != 2 {
			t.Errorf("%d began, and were over with %q, want %q", begun, over, want)
		}
		if want := []string{"nobody " + protocol.CodeUnknownType, "$nobody " + protocol.CodeUnknownType}; !slices.Equal(refused, want) {
			t.Errorf("refused %q, want %q", refused, want)
		}
	})
}

// Whoever was there when the Hub ends, gently or at once, has been told of when that is over.
func TestHooksHearOfTheLast(t *testing.T) {
	for name, end := range map[string]func(h *live.Hub) error{
		"Close":    (*live.Hub).Close,
		"Shutdown": func(h *live.Hub) error { return h.Shutdown(context.Background()) },
		"in haste": func(h *live.Hub) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			h.Shutdown(ctx)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told atomic.Int32
				k := newKit(t, &live.Options{Hooks: &live.Hooks{Disconnected: func(*live.Session, error) {
					time.Sleep(time.Second)
					told.Add(1)
				}}}, nil)
				for range 3 {
					k.dial()
				}
				synctest.Wait()
				if err := end(k.hub); err != nil {
					t.Error(err)
				}
				if n := told.Load(); n != 3 {
					t.Errorf("it was over with %d told of", n)
				}
			})
		})
	}
}
