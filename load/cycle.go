package load

import (
	"bytes"
	"compress/flate" // klauspost's does not look for matches in messages of some 130 bytes, as zlib does
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
)

// cycle is what a run with compression sends: a round of different messages, over and over,
// each of them compressed before the run.
//
// Every message has two frames. The one made alone refers to nothing before it, so that it is valid
// anywhere. The other one is what a compressor makes that has sent the whole round before: it refers to up to
// 32 KiB of the messages that precede it in the round, and is valid on every
// connection that has sent those. So a connection begins with the first kind wherever in the round it likes, and goes
// over to the second kind once it has sent a window's worth. A round is longer than the window: no message finds itself
// in it.
type cycle struct {
	messages []*message
	// text is all payloads, one after the other, behind the window bytes that the end of the round before
	// would have left.
	text []byte
	full int // so many bytes before a message make every frame valid
}

// window is how far back a compressed message may refer (RFC 7692 §7.1.2).
const window = 32 << 10

// prepared is a message's place in the cycle and its compressed frames.
type prepared struct {
	end          int // of what precedes it, in the cycle's text
	alone, after packed
	// known is the compressed form in which it last came back right, after a full window
	// or without any. The same bytes in the same place inflate to the same message.
	known atomic.Pointer[[]byte]
}

// packed is a frame whose payload has a size.
type packed struct {
	frame []byte
	size  int
}

const (
	maxRound      = 1 << 15   // messages
	maxRoundBytes = 256 << 20 // unless that were less than two messages
)

// newCycle makes the round. Each size has its share of it, in an order that is random and always the same.
func newCycle(sizes Sizes, text, takeover bool) (*cycle, error) {
	order, err := round(sizes)
	if err != nil {
		return nil, err
	}
	c := &cycle{text: make([]byte, window)}
	for i, size := range order {
		c.text = appendJSON(c.text, uint64(i), size)
	}
	all := c.text[window:]
	c.full = min(window, 2*len(all))
	for n := window; n > 0 && len(all) > 0; { // the end of earlier rounds
		k := min(n, len(all))
		copy(c.text[n-k:n], all[len(all)-k:])
		n -= k
	}
	first := byte(0xc2)
	if text {
		first = 0xc1
	}
	alone, err := compress(c.text[window:], order, false)
	if err != nil {
		return nil, err
	}
	after := alone
	if takeover {
		if after, err = compress(c.text[window:], order, true); err != nil {
			return nil, err
		}
	}
	at := window
	for i, size := range order {
		m := &message{payload: c.text[at : at+size : at+size], prepared: &prepared{end: at}}
		m.prepared.alone = packed{newFrame(first, alone[i]), len(alone[i])}
		m.prepared.after = m.prepared.alone
		if takeover {
			m.prepared.after = packed{newFrame(first, after[i]), len(after[i])}
		}
		c.messages = append(c.messages, m)
		at += size
	}
	return c, nil
}

// round is the sizes of the messages of a cycle.
func round(sizes Sizes) (order []int, err error) {
	sum, bytes, least := 0.0, 0.0, math.Inf(1)
	for _, z := range sizes {
		sum += z.Weight
		bytes += z.Weight * float64(z.Bytes)
		least = min(least, z.Weight)
	}
	mean := max(1, bytes/sum)
	n := 2 + (window+1)/mean
	if len(sizes) > 1 {
		n = max(n, 4*sum/least)
	}
	n = min(n, maxRound, max(2, maxRoundBytes/mean))
	for _, z := range sizes {
		count := int(math.Round(n * z.Weight / sum))
		if count == 0 {
			return nil, fmt.Errorf("load: compressed messages go round in a cycle, and one of %.0f messages cannot hold the size %d by its weight", n, z.Bytes)
		}
		for range count {
			order = append(order, z.Bytes)
		}
	}
	rng := rand.New(rand.NewPCG(7692, uint64(len(order))))
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order, nil
}

// flushed is how a compressor ends what can be inflated at once; a message goes without it (RFC 7692 §7.2.1).
const flushed = "\x00\x00\xff\xff"

// compress makes the compressed payload of each message of the round: alone, or as it follows after a round.
func compress(text []byte, order []int, after bool) (all [][]byte, err error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 6)
	if err != nil {
		return nil, err
	}
	one := func(p []byte) ([]byte, error) {
		out.Reset()
		if _, err := w.Write(p); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		return bytes.Clone(bytes.TrimSuffix(out.Bytes(), []byte(flushed))), nil
	}
	rounds := 1
	if after {
		rounds = 2
	}
	for range rounds {
		all = all[:0]
		at := 0
		for _, size := range order {
			if !after {
				w.Reset(&out)
			}
			p, err := one(text[at : at+size])
			if err != nil {
				return nil, err
			}
			all = append(all, p)
			at += size
		}
	}
	return all, nil
}

// at is the message at a place of the cycle, which goes on and on.
func (c *cycle) at(n stamp) *message { return c.messages[n%stamp(len(c.messages))] }

// start is where a connection begins: each somewhere else, so that they do not all send the large ones at once.
func (c *cycle) start(connection int) stamp {
	return stamp(uint32(connection)*0x9e3779b1) % stamp(len(c.messages))
}

// before is the last n bytes, at most a window, that precede a message in the cycle.
func (c *cycle) before(m *message, n int) []byte {
	n = min(n, window)
	return c.text[m.prepared.end-n : m.prepared.end]
}

// words are what the texts in the messages are made of, the more frequent ones first.
var words = [...]string{"the", "to", "of", "and", "a", "in", "is", "it", "you", "that", "for", "on", "are", "with", "they", "be", "at", "one", "have",
	"this", "from", "by", "hot", "word", "but", "what", "some", "there", "we", "can", "out", "other", "were", "all", "your", "when", "up", "use", "how",
	"said", "an", "each", "she", "which", "do", "their", "time", "if", "will", "way", "about", "many", "then", "them", "write", "would", "like", "so",
	"these", "her", "long", "make", "thing", "see", "him", "two", "has", "look", "more", "day", "could", "go", "come", "did", "number", "sound", "no",
	"most", "people", "my", "over", "know", "water", "than", "call", "first", "who", "may", "down", "side", "been", "now", "find", "any", "new", "work"}

// appendJSON appends a payload of the size: records as an application sends them in JSON, with the same names
// again and values that differ. It is cut where its size ends; one too small for that is made of digits.
func appendJSON(b []byte, seed uint64, size int) []byte {
	end := len(b) + size
	rng := rand.New(rand.NewPCG(seed, uint64(size)))
	if size < 12 {
		for len(b) < end {
			b = append(b, '0'+byte(rng.IntN(10)))
		}
		return b
	}
	for begin := len(b); len(b) < end; begin = 0 {
		if begin == 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(append(b, `{"id":`...), rng.Uint64N(1e6), 10)
		b = strconv.AppendUint(append(b, `,"time":17641390`...), 10_000+rng.Uint64N(90_000), 10)
		b = append(append(b, `,"user":"`...), words[rng.IntN(len(words))]...)
		b = strconv.AppendUint(b, rng.Uint64N(100), 10)
		b = strconv.AppendFloat(append(b, `","x":`...), rng.Float64()*1000, 'f', 1, 64)
		b = strconv.AppendFloat(append(b, `,"y":`...), rng.Float64()*1000, 'f', 1, 64)
		b = append(append(b, `,"online":`...), strconv.FormatBool(rng.IntN(4) > 0)...)
		b = append(b, `,"text":"`...)
		for range 4 + rng.IntN(12) {
			b = append(append(b, words[int(float64(len(words))*math.Pow(rng.Float64(), 2))]...), ' ')
		}
		b = append(b, `"}`...)
	}
	return b[:end]
}
