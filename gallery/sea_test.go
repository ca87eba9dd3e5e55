package gallery

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// From every place at sea there is a way to every other, and no way leads over land.
func TestRoutes(t *testing.T) {
	s := newSea()
	var places []point
	for x := 1.0; x < seaWidth; x += 9.5 {
		for y := 1.0; y < seaHeight; y += 9.5 {
			if p := (point{x, y}); s.water(p) {
				places = append(places, p)
			}
		}
	}
	if len(places) < 100 {
		t.Fatalf("%d places are at sea", len(places))
	}
	for i, from := range places {
		for j := i % 7; j < len(places); j += 7 { // one in seven of all pairs
			to := places[j]
			way := s.route(from, to)
			if len(way) == 0 || way[len(way)-1] != to {
				t.Fatalf("from %v to %v: %v", from, to, way)
			}
			at, length := from, 0.0
			for _, p := range way {
				if !s.clear(at, p) {
					t.Errorf("from %v to %v: %v leads over land", from, to, way)
				}
				length += distance(at, p)
				at = p
			}
			if length < distance(from, to)-1e-9 || length > 2.5*distance(from, to)+40 {
				t.Errorf("from %v to %v it is %.0f, and the way is %.0f", from, to, distance(from, to), length)
			}
			if i%20 == 0 {
				at, back := to, 0.0
				for _, p := range s.route(to, from) {
					back += distance(at, p)
					at = p
				}
				if math.Abs(back-length) > 1e-6 {
					t.Errorf("from %v to %v it is %f, and back %f", from, to, length, back)
				}
			}
		}
	}
}

// Islands have their corners clockwise, on the map, and lie in shallows; boats go past them in deep water.
func TestIslands(t *testing.T) {
	s := newSea()
	for i, one := range islands {
		area := 0.0
		for j, a := range one.coast {
			b := one.coast[(j+1)%len(one.coast)]
			area += a.X*b.Y - b.X*a.Y
			if s.water(a) || !inside(s.coasts[i], a) {
				t.Errorf("%s: %v is no land", one.name, a)
			}
			for k, other := range s.coasts {
				if k != i && inside(other, s.coasts[i][j]) {
					t.Errorf("the shallows of %s and %s overlap", one.name, islands[k].name)
				}
			}
			if c := s.coasts[i][j]; c.X < 4 || c.X > seaWidth-4 || c.Y < 4 || c.Y > seaHeight-4 {
				t.Errorf("%s: no boat can pass by %v", one.name, c)
			}
		}
		if !inside(one.coast, one.label) {
			t.Errorf("the name of %s is not on it", one.name)
		}
		if area <= 0 {
			t.Errorf("%s goes counter-clockwise", one.name)
		}
	}
	for _, p := range []point{{-1, 50}, {0, 0}, {160, 50}, {80, 100}, {math.NaN(), 50}, {80, math.NaN()}, {math.Inf(1), 50}, {30, 30}, {64, 57}} {
		if s.water(p) {
			t.Errorf("%v is at sea", p)
		}
	}
}

// The page draws the islands around which the server steers.
func TestMapShowsIslands(t *testing.T) {
	page, err := os.ReadFile("../web/pages/tracker/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "<polygon "); n != len(islands) {
		t.Errorf("the map has %d islands, of %d", n, len(islands))
	}
	for _, one := range islands {
		var corners []string
		for _, p := range one.coast {
			corners = append(corners, fmt.Sprintf("%v,%v", p.X, p.Y))
		}
		want := fmt.Sprintf(`<polygon points="%s"/><text x="%v" y="%v">%s</text>`, strings.Join(corners, " "), one.label.X, one.label.Y, one.name)
		if !strings.Contains(string(page), want) {
			t.Errorf("the map lacks %s", want)
		}
	}
	if !strings.Contains(string(page), fmt.Sprintf(`<svg viewBox="0 0 %d %d"`, seaWidth, seaHeight)) {
		t.Errorf("the map is not %d wide and %d high", seaWidth, seaHeight)
	}
}

// The boats of the fleet are always at sea, go on and on, and no faster than boats do.
func TestFleet(t *testing.T) {
	f, now := newFleet(), time.Now()
	last := f.step(now)
	resting := 0
	for range 5_000 {
		now = now.Add(trackerEvery)
		boats := f.step(now)
		for i, b := range boats {
			if !f.sea.water(b.point) {
				for _, one := range islands {
					if inside(one.coast, b.point) {
						t.Fatalf("%s is on %s, at %v", b.Name, one.name, b.point)
					}
				}
			}
			if d := distance(last[i].point, b.point); d > 9*10.0/3600*trackerPace/2+0.02 {
				t.Fatalf("%s went from %v to %v", b.Name, last[i].point, b.point)
			} else if d < 0.1 {
				resting++
			}
			if b.Course < 0 || b.Course > 359 || b.At != now.UnixMilli() || b.Guest {
				t.Fatalf("%+v", b)
			}
		}
		last = boats
	}
	if resting > 500 {
		t.Errorf("boats rested %d times", resting)
	}
}
