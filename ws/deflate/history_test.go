package deflate

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// The ring says the same as a slice that is cut.
func TestHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, most := range []int{0, 1, 100, 512, 1000, 4096, 32 << 10} {
		var h history
		var want []byte
		for range 300 {
			p := make([]byte, r.IntN(1+r.IntN(2*most+10)))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			h.add(p, most)
			want = append(want, p...)
			want = want[len(want)-min(len(want), most):]
			if got := h.append([]byte("x")); string(got) != "x"+string(want) || h.n != len(want) {
				t.Fatalf("most %d: the history is not the end of what was added", most)
			}
			n := r.IntN(len(want) + 1)
			a, b := h.last(n)
			if got := append(bytes.Clone(a), b...); !bytes.Equal(got, want[len(want)-n:]) {
				t.Fatalf("most %d: the last %d bytes are wrong", most, n)
			}
			if held := h.held(); held < h.n || held >= 2*max(most, 512) && held > 0 {
				t.Fatalf("most %d: %d bytes are held for %d", most, held, h.n)
			}
		}
		h.release()
		if h.held() != 0 || h.n != 0 {
			t.Fatal("something is left after release")
		}
	}
}
