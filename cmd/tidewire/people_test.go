package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// names are those in a "people" message.
func names(m object) string {
	all := ""
	for _, p := range m["data"].(object)["people"].([]any) {
		all += p.(object)["name"].(string) + ";"
	}
	return fmt.Sprint(m["data"].(object)["count"], " ", all)
}

func (v *visitor) sees(people string) {
	v.t.Helper()
	if got := names(v.until("people")); got != people {
		v.t.Errorf("sees %s, want %s", got, people)
	}
}

func TestPeople(t *testing.T) {
	inMemory(t, time.Hour, func(t *testing.T, r *chatRoom) {
		ada := r.enter(t, "  Ada ")
		grace := r.enter(t, "Grace")
		ada.sees("2 Ada;Grace;")
		// Another name is another name, and not another guest.
		grace.send(`{"type":"here","data":{"room":"room:lobby","name":"Grace H."}}`)
		ada.sees("2 Ada;Grace H.;")
		// Who says no name is nobody; and who leaves the room, or the server, is gone.
		silent := r.visit(t)
		silent.join()
		silent.c.CloseNow()
		grace.send(`{"type":"$leave","room":"room:lobby"}`)
		synctest.Wait()
		next := r.enter(t, "Next")
		ada.sees("2 Ada;Next;")
		next.c.CloseNow()
		grace.c.CloseNow()
		ada.sees("1 Ada;")
		// The list is for the room, and goes with its people into another one.
		ada.send(`{"type":"$join","room":"room:tea"}`)
		ada.send(`{"type":"here","data":{"room":"room:tea","name":"Ada"}}`)
		var told []string
		for range 2 {
			m := ada.until("people")
			told = append(told, fmt.Sprint(m["room"], " ", names(m)))
		}
		if want := map[string]bool{"room:lobby 0 ": true, "room:tea 1 Ada;": true}; !want[told[0]] || !want[told[1]] || told[0] == told[1] {
			t.Errorf("told %q", told)
		}
	})
}

// A long list has a number and the first names.
func TestPeopleAreMany(t *testing.T) {
	inMemory(t, time.Hour, func(t *testing.T, r *chatRoom) {
		guests := make([]*visitor, listed+3)
		for n := range guests {
			guests[n] = r.visit(t)
			guests[n].join()
			guests[n].send(`{"type":"here","data":{"room":"room:lobby","name":"guest %d"}}`, n)
			synctest.Wait()
		}
		m := guests[0].until("people")["data"].(object)
		if list := m["people"].([]any); m["count"] != float64(listed+3) || len(list) != listed || list[listed-1].(object)["name"] != fmt.Sprint("guest ", listed-1) {
			t.Errorf("%v are here, the list has %d", m["count"], len(list))
		}
	})
}

// The heartbeat says who is here, changed or not.
func TestChatHeartbeat(t *testing.T) {
	inMemory(t, 5*time.Second, func(t *testing.T, r *chatRoom) {
		ada := r.enter(t, "Ada")
		ada.sees("1 Ada;")
		for n := 1; n <= 3; n++ {
			start := time.Now()
			ada.sees("1 Ada;")
			if d := time.Since(start); d != 5*time.Second {
				t.Errorf("beat %d came after %v", n, d)
			}
		}
	})
}
