package gallery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// sail comes into a sea, and waits until it is there. It returns how the game stands.
func (h *hall) sail(token, room string) (*visitor, map[string]any) {
	h.t.Helper()
	v := h.visit(token)
	v.join(room)
	board := v.until("board")["data"].(map[string]any)
	v.until("$live")
	return v, board
}

// catch claims a fish, and returns what the server says: yes, whose it is, or a code.
func (v *visitor) catch(room string, number any) string {
	v.t.Helper()
	v.send(`{"type":"cursors.catch","id":50,"data":{"room":%q,"fish":%v}}`, room, number)
	for {
		m := v.next()
		if m["re"] != 50.0 {
			continue
		}
		data := m["data"].(map[string]any)
		if code, ok := data["code"].(string); ok {
			return code
		}
		if data["caught"] == true {
			return "yes"
		}
		return data["by"].(string)
	}
}

// goTo moves a cursor.
func (v *visitor) goTo(room string, x, y any) {
	v.t.Helper()
	v.send(`{"type":"at","room":%q,"volatile":true,"data":{"x":%v,"y":%v}}`, room, x, y)
}

func place(board map[string]any) (number, x, y any) {
	fish := board["fish"].(map[string]any)
	return fish["number"], fish["x"], fish["y"]
}

// Where a cursor is goes to all who are in the room, with what the server knows of whose it is, and is not kept.
func TestCursors(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		ada, _ := h.sail("Ada:a", "cursors:lobby")
		grace, _ := h.sail("Grace:g", "cursors:lobby")
		ada.until("board") // as Grace came
		ada.send(`{"type":"at","room":"cursors:lobby","mid":"m1","key":"board","data":{"x":0.123456,"y":1,"name":"Eve","who":"x","more":7}}`)
		m := grace.want(`{"type":"at","mid":"m1","volatile":true,"data":{"x":0.1235,"y":1,"name":"Ada"}}`)
		if data := m["data"].(map[string]any); m["key"] == "board" || m["pos"] != nil || len(data) != 4 || data["who"] != m["from"] {
			t.Errorf("she saw %v", m)
		}
		stranger, _ := h.sail("Zoe", "cursors:lobby")
		stranger.goTo("cursors:lobby", 0, 1)
		if data := grace.until("at")["data"].(map[string]any); data["name"] != "Zoe" || data["who"] == "" || data["x"] != 0.0 {
			t.Errorf("she saw %v", data)
		}
		late := h.visit("Late")
		late.join("cursors:lobby")
		late.want(`{"type":"board"}`)
		late.want(`{"type":"$live"}`)
	})
}

func TestCursorsRefuse(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v, _ := h.sail("Ada:a", "cursors:lobby")
		for _, tc := range []struct{ code, message string }{
			{"cursors.place", `"type":"at","room":"cursors:lobby","data":{"x":1.01,"y":0}`},
			{"cursors.place", `"type":"at","room":"cursors:lobby","data":{"x":0,"y":-1e-9}`},
			{"cursors.place", `"type":"at","room":"cursors:lobby","data":{"x":1e300,"y":0}`},
			{"invalid", `"type":"at","room":"cursors:lobby","data":{"x":1e999,"y":0}`},
			{"invalid", `"type":"at","room":"cursors:lobby","data":{"x":"0","y":0}`},
			{"invalid", `"type":"at","room":"cursors:lobby","data":{"x":[],"y":0}`},
			{"invalid", `"type":"at","room":"cursors:lobby","data":7`},
			{"guest.type", `"type":"board","room":"cursors:lobby","data":{"fish":{"number":7,"x":0,"y":0}}`},
			{"forbidden", `"type":"at","room":"cursors:elsewhere","data":{"x":0,"y":0}`},
			{"forbidden", `"type":"$join","room":"cursors:*"`},
			{"cursors.one", `"type":"$join","room":"cursors:elsewhere"`},
			{"cursors.outside", `"type":"cursors.catch","data":{"room":"cursors:elsewhere","fish":1}`},
			{"cursors.outside", `"type":"cursors.catch","data":{"room":"chat:lobby","fish":1}`},
			{"cursors.outside", `"type":"cursors.catch"`},
			{"cursors.outside", `"type":"cursors.catch","data":{"room":"cursors:lobby","fish":1}`}, // it has said no place yet
			{"invalid", `"type":"cursors.catch","data":{"room":"cursors:lobby","fish":1.5}`},
			{"invalid", `"type":"cursors.catch","data":{"room":7}`},
		} {
			v.refused(tc.code, `{%s,"id":7}`, tc.message)
		}
		v.send(`{"type":"$leave","id":8,"room":"cursors:lobby"}`)
		v.until("$ok")
		v.refused("forbidden", `{"type":"at","id":9,"room":"cursors:lobby","data":{"x":0,"y":0}}`)
	})
}

// The first one whose cursor is there has the fish. Nobody else has it, and nobody who says so without being there.
func TestCatch(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		const room = "cursors:lobby"
		ada, board := h.sail("Ada:a", room)
		grace, _ := h.sail("Grace:g", room)
		number, x, y := place(board)
		// Her own message is what counts: not another's, nor what the claim says.
		ada.goTo(room, x, y)
		grace.goTo(room, 0, 0)
		if got := grace.catch(room, number); got != "cursors.far" {
			t.Errorf("far away: %s", got)
		}
		grace.send(`{"type":"cursors.catch","id":51,"data":{"room":%q,"fish":%v,"x":%v,"y":%v}}`, room, number, x, y)
		grace.until("$error")
		for _, other := range []any{2, 0, -1, 1 << 40} {
			if got := ada.catch(room, other); got != "cursors.fish" {
				t.Errorf("fish %v: %s", other, got)
			}
		}
		grace.goTo(room, x, y)
		if got := ada.catch(room, number); got != "yes" {
			t.Errorf("at the fish: %s", got)
		}
		for range 2 {
			if got := grace.catch(room, number); got != "Ada" {
				t.Errorf("too late: %s", got)
			}
		}
		// All see it, and the next fish is somewhere else.
		zoe, now := h.sail("Zoe", room)
		last := now["last"].(map[string]any)
		if last["name"] != "Ada" || last["number"] != number || last["x"] != x || fmt.Sprint(now["points"]) != fmt.Sprintf("map[%v:1]", last["who"]) {
			t.Errorf("the board is %v", now)
		}
		next, x2, y2 := place(now)
		if next != number.(float64)+1 || fmt.Sprint(x, y) == fmt.Sprint(x2, y2) {
			t.Errorf("the next fish is %v at %v %v", next, x2, y2)
		}
		if got := ada.catch(room, next); got != "cursors.far" {
			t.Errorf("where the last one was: %s", got)
		}
		// A little beside it counts too, but not more.
		zoe.goTo(room, x2.(float64)+0.071, y2)
		if got := zoe.catch(room, next); got != "cursors.far" {
			t.Errorf("not quite there: %s", got)
		}
		zoe.goTo(room, x2.(float64)+0.069, y2)
		if got := zoe.catch(room, next); got != "yes" {
			t.Errorf("nearly there: %s", got)
		}
	})
}

// A game's fish are never near the edge, nor where the last one was.
func TestFish(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		const room = "cursors:lobby"
		v, board := h.sail("Ada:a", room)
		for n := range 100 {
			number, x, y := place(board)
			if number != float64(n+1) || x.(float64) < 0.1 || x.(float64) > 0.9 || y.(float64) < 0.12 || y.(float64) > 0.88 {
				t.Fatalf("fish %d is %v", n+1, board["fish"])
			}
			v.goTo(room, x, y)
			v.until("at")
			v.send(`{"type":"cursors.catch","id":50,"data":{"room":%q,"fish":%v}}`, room, number)
			board = v.until("board")["data"].(map[string]any)
			_, x2, y2 := place(board)
			dx, dy := x2.(float64)-x.(float64), (y2.(float64)-y.(float64))*3/4
			if dx*dx+dy*dy < 0.3*0.3 {
				t.Errorf("from %v, %v to %v, %v", x, y, x2, y2)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// Points stay with who is there, through a reload and another name, and go with who goes. A game ends when all have gone.
func TestPointsOfThoseWhoAreThere(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		const room = "cursors:lobby"
		ada, board := h.sail("Ada:a", room)
		grace, _ := h.sail("Grace:g", room)
		number, x, y := place(board)
		ada.goTo(room, x, y)
		ada.catch(room, number)
		ada.c.CloseNow()
		time.Sleep(2 * time.Second)
		ada, board = h.sail("Augusta:a", room)
		if points := fmt.Sprint(board["points"]); !strings.HasSuffix(points, ":1]") {
			t.Errorf("after a reload: %s", points)
		}
		time.Sleep(time.Minute)
		if got := ada.catch(room, 2); got != "cursors.outside" {
			t.Errorf("a new session has no cursor yet: %s", got)
		}
		ada.send(`{"type":"$leave","id":9,"room":%q}`, room)
		ada.until("$ok")
		if got := ada.catch(room, 2); got != "cursors.outside" {
			t.Errorf("she has left: %s", got)
		}
		time.Sleep(3 * time.Second)
		zoe, board := h.sail("Zoe", room)
		if number, _, _ := place(board); number != 2.0 || fmt.Sprint(board["points"]) != "map[]" {
			t.Errorf("when Ada has left: %v", board)
		}
		for _, v := range []*visitor{ada, grace, zoe} {
			v.c.CloseNow()
		}
		time.Sleep(10 * time.Second)
		_, board = h.sail("Hedy", room)
		if number, _, _ := place(board); number != 1.0 || board["last"] != nil {
			t.Errorf("a new game: %v", board)
		}
	})
}

// There are a hundred games at most, with fifty players each.
func TestCursorsAreBounded(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		join := func(room string) (*visitor, string) {
			v := h.visit("Ada:a")
			v.send(`{"type":"$join","id":2,"room":%q}`, room)
			data := v.next()["data"].(map[string]any)
			code, _ := data["code"].(string)
			return v, code
		}
		for n := range 51 {
			if _, code := join("cursors:lobby"); (code == "cursors.full") != (n == 50) {
				t.Fatalf("player %d: %q", n+1, code)
			}
		}
		var last *visitor
		for n := range 100 {
			v, code := join(fmt.Sprint("cursors:room-", n))
			if (code == "cursors.full") != (n == 99) {
				t.Fatalf("game %d: %q", n+2, code)
			}
			if code == "" {
				last = v
			}
		}
		last.c.Close(1000, "")
		time.Sleep(3 * time.Second)
		if _, code := join("cursors:more"); code != "" {
			t.Errorf("a game for the one that has ended: %s", code)
		}
	})
}

// Who goes from sea to sea keeps no place in those behind, where one guest would take them all.
func TestCursorsAreInOneSea(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v := h.visit("Ada:a")
		for n := range 110 {
			if n == 60 {
				time.Sleep(500 * time.Millisecond) // it may send 60 a second, and 200 at once
			}
			v.send(`{"type":"$join","id":2,"room":"cursors:%d"}`, n)
			for m := v.next(); m["re"] != 2.0; m = v.next() {
			}
			v.send(`{"type":"$leave","id":3,"room":"cursors:%d"}`, n)
			for m := v.next(); m["re"] != 3.0; m = v.next() {
			}
		}
		h.sail("Grace:g", "cursors:another")
	})
}
