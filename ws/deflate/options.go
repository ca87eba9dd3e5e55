package deflate

// Options says what an endpoint wants. The zero value is usable. It is only
// read, so connections may share one, as long as nobody changes it.
type Options struct {
	// Level is how hard to compress, from 1 (fast) to 9 (small). 0 means 1;
	// other values are moved into that range.
	Level int

	// Threshold is the size in bytes below which a message goes uncompressed.
	// 0 means 128 without context takeover and 16 with it; a negative value
	// compresses every message.
	Threshold int

	// NoContextTakeover makes each message that we send stand alone. It saves
	// both ends memory and loses most of the gain on small messages.
	NoContextTakeover bool

	// PeerNoContextTakeover asks the peer to let each of its messages stand
	// alone, which saves our window for this connection, up to 32 KiB.
	PeerNoContextTakeover bool

	// WindowBits bounds how far back what we send refers, as a power of two,
	// from 9 to 15, and is announced to the peer, who then needs no larger
	// window. 0 means 15; other values are moved into that range.
	WindowBits int

	// PeerWindowBits asks the peer to stay within a window of that power of
	// two, from 9 to 15. 0 means do not ask; other values are moved into that
	// range. A server can only ask a client that said that it understands, and
	// a server that we ask may accept without it.
	PeerWindowBits int

	// History is how many bytes of what was sent are kept per connection with
	// context takeover, so that the next message can refer to them. 0 means 4
	// KiB; a negative value keeps nothing; more than the window is of no use and
	// is not kept.
	History int
}

// The defaults and bounds that [Options] documents.
const (
	defaultLevel            = 1
	maxLevel                = 9
	defaultHistory          = 4 << 10
	thresholdWithContext    = 16
	thresholdWithoutContext = 128
	minBits                 = 8 // RFC 7692 §7.1.2: 8 to 15
	minChosenBits           = 9 // what we ask for: zlib cannot compress with 8
	maxBits                 = 15
)

func (o *Options) level() int { return clampLevel(o.Level) }

func clampLevel(level int) int {
	if level == 0 {
		return defaultLevel
	}
	return min(max(level, 1), maxLevel)
}

// windowBits is the bound of what we send.
func (o *Options) windowBits() int { return chosenBits(o.WindowBits) }

// peerWindowBits is the bound that we ask for; 15 means that we do not ask.
func (o *Options) peerWindowBits() int { return chosenBits(o.PeerWindowBits) }

func chosenBits(bits int) int {
	if bits == 0 {
		return maxBits
	}
	return min(max(bits, minChosenBits), maxBits)
}

func (o *Options) threshold(takeover bool) int {
	switch {
	case o.Threshold < 0:
		return 0
	case o.Threshold > 0:
		return o.Threshold
	case takeover:
		return thresholdWithContext
	}
	return thresholdWithoutContext
}

func (o *Options) history(bits int) int {
	n := o.History
	switch {
	case n < 0:
		return 0
	case n == 0:
		n = defaultHistory
	}
	return min(n, 1<<bits)
}

// Params is what both ends agreed on. Negotiate and Confirm fill in every
// field.
type Params struct {
	// ServerNoContextTakeover and ClientNoContextTakeover: each message of that
	// side stands alone.
	ServerNoContextTakeover, ClientNoContextTakeover bool
	// ServerMaxWindowBits and ClientMaxWindowBits bound how far back the
	// messages of that side refer, as powers of two from 8 to 15. 0 stands for
	// 15, as in the RFC a parameter that is absent.
	ServerMaxWindowBits, ClientMaxWindowBits int
}

// sent returns what binds our own messages.
func (p Params) sent(client bool) (noTakeover bool, bits int) {
	if client {
		return p.ClientNoContextTakeover, paramBits(p.ClientMaxWindowBits)
	}
	return p.ServerNoContextTakeover, paramBits(p.ServerMaxWindowBits)
}

// received returns what binds the peer's messages.
func (p Params) received(client bool) (noTakeover bool, bits int) { return p.sent(!client) }

func paramBits(bits int) int {
	if bits == 0 {
		return maxBits
	}
	return min(max(bits, minBits), maxBits)
}
