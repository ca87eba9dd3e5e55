package gallery

import "math"

// Lengths are cables, a tenth of a nautical mile. x grows to the east, y to the south.
const (
	seaWidth  = 160
	seaHeight = 100
	shallows  = 2.0 // around the land: no boat goes there
)

type point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

func distance(a, b point) float64 { return math.Hypot(b.X-a.X, b.Y-a.Y) }

// An island has its corners clockwise, as they are on the map.
type island struct {
	name  string
	label point
	coast []point
}

// islands are those that web/pages/tracker/index.html draws.
var islands = []island{
	{"Sealholm", point{31, 29}, []point{{18, 20}, {29, 15}, {41, 18}, {47, 28}, {41, 39}, {29, 43}, {18, 35}}},
	{"Gannet Rock", point{68, 17}, []point{{63, 12}, {71, 11}, {74, 18}, {68, 23}, {61, 19}}},
	{"Otter Skerry", point{63, 57}, []point{{57, 51}, {66, 47}, {72, 54}, {69, 64}, {60, 66}, {54, 59}}},
	{"Great Tern", point{101, 42}, []point{{87, 31}, {103, 23}, {120, 29}, {127, 42}, {116, 47}, {108, 42}, {105, 52}, {113, 62}, {101, 69}, {88, 61}, {82, 46}}},
	{"Long Ness", point{34, 74}, []point{{19, 65}, {29, 59}, {38, 66}, {47, 80}, {41, 89}, {28, 83}}},
	{"Far Isle", point{144, 21}, []point{{137, 10}, {148, 12}, {153, 23}, {145, 32}, {136, 24}}},
	{"Bell Reef", point{90, 84}, []point{{84, 80}, {92, 78}, {95, 85}, {87, 89}}},
	{"Southam", point{133, 82}, []point{{119, 78}, {133, 71}, {146, 77}, {149, 88}, {132, 92}, {120, 88}}},
}

// The sea knows where boats can go, and the shortest way there. That turns only at corners of shallows.
type sea struct {
	coasts [][]point   // around the shallows
	turns  []point     // a little outside their corners
	far    [][]float64 // the length of the shortest way from one turn to another
	next   [][]int     // the turn that follows the first one on it
}

func newSea() *sea {
	s := &sea{}
	for _, one := range islands {
		s.coasts = append(s.coasts, grow(one.coast, shallows))
	}
	for _, one := range islands {
		for _, p := range grow(one.coast, shallows+0.5) {
			if s.water(p) {
				s.turns = append(s.turns, p)
			}
		}
	}
	n := len(s.turns)
	for i := range n {
		s.far, s.next = append(s.far, make([]float64, n)), append(s.next, make([]int, n))
		for j := range n {
			s.far[i][j], s.next[i][j] = math.Inf(1), j
			if s.clear(s.turns[i], s.turns[j]) {
				s.far[i][j] = distance(s.turns[i], s.turns[j])
			}
		}
	}
	for k := range n { // Floyd and Warshall
		for i := range n {
			for j := range n {
				if d := s.far[i][k] + s.far[k][j]; d < s.far[i][j] {
					s.far[i][j], s.next[i][j] = d, s.next[i][k]
				}
			}
		}
	}
	return s
}

// water reports whether a boat can be there.
func (s *sea) water(p point) bool {
	if !(p.X >= 1 && p.X <= seaWidth-1 && p.Y >= 1 && p.Y <= seaHeight-1) { // so not for NaN either
		return false
	}
	for _, coast := range s.coasts {
		if inside(coast, p) {
			return false
		}
	}
	return true
}

// clear reports whether a boat can go straight from one place to another where it can be.
func (s *sea) clear(a, b point) bool {
	for _, coast := range s.coasts {
		for i, c := range coast {
			if cross(a, b, c, coast[(i+1)%len(coast)]) {
				return false
			}
		}
	}
	return true
}

// route returns the shortest way between two places where a boat can be: where it turns, and its end.
func (s *sea) route(from, to point) []point {
	if s.clear(from, to) {
		return []point{to}
	}
	first, last, best := -1, -1, math.Inf(1)
	for j, b := range s.turns {
		if !s.clear(b, to) {
			continue
		}
		for i, a := range s.turns {
			if d := distance(from, a) + s.far[i][j] + distance(b, to); d < best && s.clear(from, a) {
				first, last, best = i, j, d
			}
		}
	}
	if first < 0 {
		return nil // never: each place sees a turn, and each turn leads to all others
	}
	way := []point{s.turns[first]}
	for i := first; i != last; {
		i = s.next[i][last]
		way = append(way, s.turns[i])
	}
	return append(way, to)
}

// grow moves each side of a shape outwards.
func grow(shape []point, by float64) []point {
	var out []point
	for i, p := range shape {
		a, b := normal(shape[(i+len(shape)-1)%len(shape)], p), normal(p, shape[(i+1)%len(shape)])
		f := by / (1 + a.X*b.X + a.Y*b.Y)
		out = append(out, point{p.X + f*(a.X+b.X), p.Y + f*(a.Y+b.Y)})
	}
	return out
}

// normal returns the direction to the left of the way from a to b: outwards, for a shape that goes clockwise.
func normal(a, b point) point {
	d := distance(a, b)
	return point{(b.Y - a.Y) / d, (a.X - b.X) / d}
}

// inside reports whether a point is in a shape: whether a ray from it leaves that an odd number of times.
func inside(shape []point, p point) bool {
	in := false
	for i, a := range shape {
		b := shape[(i+1)%len(shape)]
		if (a.Y > p.Y) != (b.Y > p.Y) && p.X < a.X+(p.Y-a.Y)/(b.Y-a.Y)*(b.X-a.X) {
			in = !in
		}
	}
	return in
}

// cross reports whether the way from a to b and that from c to d cross.
func cross(a, b, c, d point) bool {
	return side(a, b, c) != side(a, b, d) && side(c, d, a) != side(c, d, b)
}

// side reports whether c is to the left of the way from a to b.
func side(a, b, c point) bool { return (b.X-a.X)*(c.Y-a.Y) < (b.Y-a.Y)*(c.X-a.X) }
