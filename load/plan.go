package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scenario is what the connections of a run do.
type Scenario string

const (
	Echo    Scenario = "echo"    // each message comes back to its sender
	Fanout  Scenario = "fanout"  // the first connection's messages come to every connection
	Upgrade Scenario = "upgrade" // connections are made, and closed at once
	Idle    Scenario = "idle"    // connections are held, and say nothing
	Live    Scenario = "live"    // what a room's publishers publish comes to all of its members
)

// Scenarios are all there are.
var Scenarios = []Scenario{Echo, Fanout, Upgrade, Idle, Live}

// Plan says what a run does. Its zero values are the defaults.
type Plan struct {
	URL      string   // of the server, ws or wss
	Scenario Scenario // empty means Echo

	// Connections is how many connections there are at once; 0 means 1. In Upgrade it is
	// how many are being made at once.
	Connections int
	// Depth is how many messages each connection (in Fanout: the sender, in Live: each
	// publisher) has in flight in a closed loop; 0 means 1.
	Depth int
	// Rate makes the loop an open one: how many messages are due a second, over all
	// connections (in Fanout: from the sender, in Live: from all publishers), at random
	// (exponential) intervals. 0 means a closed loop. It is for Echo, Fanout and Live.
	Rate float64
	// Sizes are the sizes of the messages; none means 125 bytes.
	Sizes Sizes
	// Text sends text messages instead of binary ones.
	Text bool
	// Compression negotiates permessage-deflate and sends compressed messages: records of
	// JSON, in a round whose sizes follow Sizes. Empty or "off" means none. A server that does not
	// agree to just this is an error.
	Compression Compression

	// Rooms is how many rooms the connections of Live are spread over, one after the other; 0
	// means 1. They are called RoomPrefix and a number from 1 on; an empty prefix means "room:".
	Rooms      int
	RoomPrefix string
	// Publishers is how many members of each room of Live publish; 0 means 1.
	Publishers int
	// Stalled is how many connections of Live read nothing from when they are in their rooms:
	// the last ones. What they do not get is not missed, and nor are they when the server
	// closes them.
	Stalled int

	Ramp     time.Duration // over which the connections are opened; 0 means as fast as it goes
	Warmup   time.Duration // before the measurement begins; 0 means none
	Duration time.Duration // of the measurement; 0 means 10 s
	// Timeout bounds each handshake, the wait for a message, the wait for what is under way
	// at the end, and that for the answers to the close frames; 0 means 10 s.
	Timeout time.Duration

	Header http.Header
	TLS    *tls.Config // for wss; nil means the defaults of crypto/tls
	// Dial makes the connections; nil means TCP. One that gives them local addresses in turn
	// gets past the 28,000 ports or so that one address has.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// PID is the server's process, if it is on this machine and its clock can be
	// read (Linux); its CPU time is then part of the report. 0 means none.
	PID int
	// Progress is called every second, by one goroutine; nil means not at all.
	Progress func(Window)
	// Opened is called when the connections are open and before anything is sent, Settled when
	// what was sent has come back and before the connections end; nil means not at all. The
	// connections idle until they return. Upgrade calls neither.
	Opened, Settled func()
}

// Sizes is a distribution of message sizes.
type Sizes []Size

// Size is one size of messages and its share.
type Size struct {
	Bytes  int     `json:"bytes"`
	Weight float64 `json:"weight"` // relative to the others
}

// MaxSize is the largest message that a run sends.
const MaxSize = 64 << 20

// ParseSizes reads a size such as "125", or a distribution such as
// "16:70,1024:25,65536:5": sizes in bytes and their weights.
func ParseSizes(s string) (Sizes, error) {
	var all Sizes
	for part := range strings.SplitSeq(s, ",") {
		size, weight, weighted := strings.Cut(strings.TrimSpace(part), ":")
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > MaxSize {
			return nil, fmt.Errorf("load: %q is no size from 0 to %d bytes", size, MaxSize)
		}
		w := 1.0
		if weighted {
			if w, err = strconv.ParseFloat(weight, 64); err != nil || !(w > 0 && w <= 1e9) {
				return nil, fmt.Errorf("load: %q is no weight", weight)
			}
		}
		all = append(all, Size{n, w})
	}
	return all, nil
}

// String is the form that ParseSizes reads.
func (s Sizes) String() string {
	var parts []string
	for _, z := range s {
		if len(s) == 1 {
			return strconv.Itoa(z.Bytes)
		}
		parts = append(parts, fmt.Sprintf("%d:%g", z.Bytes, z.Weight))
	}
	return strings.Join(parts, ",")
}

// target is a server's address, taken apart.
type target struct {
	host, path, address string
	tls                 *tls.Config // nil for ws
}

// complete fills in the defaults and says what makes no sense.
func (p Plan) complete() (Plan, target, error) {
	fill := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	if p.Scenario == "" {
		p.Scenario = Echo
	}
	p.Connections, p.Depth = max(1, p.Connections), max(1, p.Depth)
	if p.Scenario == Live {
		p.Rooms, p.Publishers, p.Text = max(1, p.Rooms), max(1, p.Publishers), true
		if p.RoomPrefix == "" {
			p.RoomPrefix = "room:"
		}
	}
	fill(&p.Duration, 10*time.Second)
	fill(&p.Timeout, 10*time.Second)
	if len(p.Sizes) == 0 {
		p.Sizes = Sizes{{125, 1}}
	}
	var to target
	u, err := url.Parse(p.URL)
	if err != nil {
		return p, to, fmt.Errorf("load: %w", err)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return p, to, fmt.Errorf("load: %q is no ws or wss URL with a host", p.URL)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	to = target{host: u.Host, path: u.RequestURI(), address: net.JoinHostPort(u.Hostname(), port)}
	if u.Scheme == "wss" {
		to.tls = &tls.Config{}
		if p.TLS != nil {
			to.tls = p.TLS.Clone()
		}
		if to.tls.ServerName == "" {
			to.tls.ServerName = u.Hostname()
		}
		to.tls.NextProtos = []string{"http/1.1"}
	}
	if p.Compression == "off" {
		p.Compression = ""
	}
	switch {
	case !slices.Contains([]Compression{"", NoTakeover, Takeover}, p.Compression):
		return p, to, fmt.Errorf("load: there is no compression %q", p.Compression)
	case !slices.Contains(Scenarios, p.Scenario):
		return p, to, fmt.Errorf("load: there is no scenario %q", p.Scenario)
	case p.Rate < 0 || p.Rate > 1e7:
		return p, to, fmt.Errorf("load: a rate of %g a second", p.Rate)
	case p.Rate > 0 && p.Scenario != Echo && p.Scenario != Fanout && p.Scenario != Live:
		return p, to, errors.New("load: a rate is for the scenarios echo, fanout and live")
	case p.Ramp < 0 || p.Warmup < 0 || p.Duration < 0 || p.Timeout < 0:
		return p, to, errors.New("load: a duration is negative")
	}
	if err := p.rooms(); err != nil {
		return p, to, err
	}
	for _, z := range p.Sizes {
		if z.Bytes < 0 || z.Bytes > MaxSize || !(z.Weight > 0) {
			return p, to, fmt.Errorf("load: the size %d with weight %g", z.Bytes, z.Weight)
		}
	}
	return p, to, nil
}

// rooms says what makes no sense in the scenario live, or of it elsewhere.
func (p Plan) rooms() error {
	switch {
	case p.Scenario != Live && (p.Rooms != 0 || p.RoomPrefix != "" || p.Publishers != 0 || p.Stalled != 0):
		return errors.New("load: rooms, publishers and stalled connections are for the scenario live")
	case p.Scenario != Live:
		return nil
	case p.Compression != "":
		return errors.New("load: there is no compression in the scenario live")
	case p.Stalled < 0 || p.Connections-p.Stalled < p.Rooms*p.Publishers:
		return fmt.Errorf("load: %d connections, of which %d read nothing, are too few for %d rooms with %d publishers each",
			p.Connections, p.Stalled, p.Rooms, p.Publishers)
	case p.Rooms*p.Publishers > maxPublishers:
		return fmt.Errorf("load: %d publishers, and %d is the most", p.Rooms*p.Publishers, maxPublishers)
	}
	for _, z := range p.Sizes {
		if z.Bytes < numbersSize {
			return fmt.Errorf("load: the data of a message has at least %d bytes in the scenario live, and not %d", numbersSize, z.Bytes)
		}
	}
	return nil
}
