package gallery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// since asks how many numbers were published behind one, and which is the last.
func (v *visitor) since(n any) (published, last float64) {
	v.t.Helper()
	v.send(`{"type":"recovery.since","id":60,"data":%v}`, n)
	for {
		if m := v.next(); m["re"] == 60.0 {
			data := m["data"].(map[string]any)
			return data["published"].(float64), data["last"].(float64)
		}
	}
}

// Numbers come while somebody is there, a little longer, and then no more.
func TestCounting(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		idle := h.visit("Idle")
		time.Sleep(time.Hour + 200*time.Millisecond)
		if published, _ := idle.since(0); published != 0 {
			t.Errorf("%v were published for nobody", published)
		}
		v := h.visit("Ada:a")
		v.send(`{"type":"$join","id":2,"room":"recovery:long"}`)
		v.send(`{"type":"$join","id":3,"room":"recovery:short"}`)
		next, began := map[any]float64{}, time.Now()
		for next["recovery:long"] < 20 || next["recovery:short"] < 20 {
			m := v.until("number")
			next[m["room"]]++
			if n := m["data"].(map[string]any)["n"]; n != next[m["room"]] {
				t.Fatalf("%v came in %v, want %v", n, m["room"], next[m["room"]])
			}
		}
		if d := time.Since(began); d < 19*400*time.Millisecond || d > 20*400*time.Millisecond {
			t.Errorf("20 numbers came in %v", d)
		}
		v.c.Close(1000, "")
		time.Sleep(3 * time.Minute)
		published, last := idle.since(20)
		if published != last-20 || published < 148 || published > 152 {
			t.Errorf("%v were published when nobody was there any more; the last is %v", published, last)
		}
	})
}

// Who comes back gets all that it has missed, in order, from the room that has it, and a gap and the rest from the other.
func TestRecovery(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v := h.visit("Ada:a")
		v.send(`{"type":"$join","id":2,"room":"recovery:long"}`)
		epoch := v.until("$ok")["pos"].(map[string]any)["epoch"]
		v.send(`{"type":"$join","id":3,"room":"recovery:short"}`)
		positions := map[string]string{}
		last := 0.0
		for len(positions) < 2 || last < 7 {
			m := v.until("number")
			last = m["data"].(map[string]any)["n"].(float64)
			positions[m["room"].(string)] = fmt.Sprintf(`{"epoch":%q,"seq":%v,"mid":%q}`, epoch, m["pos"].(map[string]any)["seq"], m["mid"])
		}
		v.c.CloseNow()
		time.Sleep(20 * time.Second)
		v = h.visit("Ada:a")
		for room, pos := range positions {
			v.send(`{"type":"$join","id":2,"room":%q,"pos":%s}`, room, pos)
			v.until("$ok")
			if room == "recovery:short" {
				if gap := v.until("$gap")["data"].(map[string]any); gap["reason"] != "evicted" {
					t.Errorf("the gap is %v", gap)
				}
			}
			var got []float64
			for {
				m := v.next()
				if m["type"] == "$live" {
					break
				}
				if m["room"] == room {
					got = append(got, m["data"].(map[string]any)["n"].(float64))
				}
			}
			for i, n := range got {
				if i > 0 && n != got[i-1]+1 {
					t.Errorf("%s: %v", room, got)
				}
			}
			_, newest := v.since(0)
			if room == "recovery:short" && len(got) != 5 || room == "recovery:long" && (got[0] > last+1 || len(got) < 49) || got[len(got)-1] != newest {
				t.Errorf("%s: %v behind %v, the newest is %v", room, got, last, newest)
			}
		}
	})
}

// The server hangs up on who asks for it, and on nobody else.
func TestCutLine(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v, other := h.visit("Ada:a"), h.visit("Ada:a")
		v.send(`{"type":"recovery.cut","id":5,"data":{"session":"of somebody else"}}`)
		if got := v.ended(); got != ws.StatusAbnormalClosure {
			t.Errorf("closed with %d", got)
		}
		other.send(`{"type":"$ping","id":9}`)
		other.want(`{"type":"$ok","re":9}`)
	})
}

func TestRecoveryRefuses(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v := h.visit("Ada")
		v.join("recovery:long")
		for _, tc := range []struct{ code, message string }{
			{"guest.read-only", `"type":"number","room":"recovery:long","data":{"n":7}`},
			{"guest.read-only", `"type":"number","room":"recovery:short","volatile":true,"data":{"n":7}`},
			{"no-room", `"type":"$join","room":"recovery:other"`},
			{"no-room", `"type":"$join","room":"recovery:*"`},
			{"recovery.number", `"type":"recovery.since","data":-1`},
			{"recovery.number", `"type":"recovery.since","data":9007199254740991`},
			{"recovery.number", `"type":"recovery.since","data":-9223372036854775808`},
			{"invalid", `"type":"recovery.since","data":1.5`},
			{"invalid", `"type":"recovery.since","data":"7"`},
			{"invalid", `"type":"recovery.since","data":1e99`},
		} {
			v.refused(tc.code, `{%s,"id":7}`, tc.message)
		}
	})
}
