package bridge

import "sync/atomic"

// Stats is what became of a rule's clients so far. Open is how many there are now; all else only grows.
type Stats struct {
	Listen, Target string // as Endpoint.Redacted has them, Listen with the port that was free where it said 0; Target is "" under Lookup

	Open     int64 // relays, those that are being connected included
	Accepted int64 // clients that were let in

	// Clients that were refused, before anything was dialled.
	RefusedLimit   int64 // MaxConnections or MaxAddressConnections
	RefusedToken   int64 // no target has their token
	RefusedRequest int64 // their handshake, or their page's origin

	DialFailed int64 // targets that could not be reached
	Broken     int64 // relays that did not end in good order, those that were too long idle included, but for UDP clients

	In, Out int64 // bytes that targets, and clients, were given
	Dropped int64 // datagrams that a side could not take, or that waited when their relay ended, as far as it is known
}

// counters are the Stats of a rule while it runs.
type counters struct {
	open, accepted                             atomic.Int64
	refusedLimit, refusedToken, refusedRequest atomic.Int64
	dialFailed, broken                         atomic.Int64
	in, out                                    atomic.Int64
	dropped                                    atomic.Int64
}

func (c *counters) stats(r *Rule) Stats {
	s := Stats{
		Listen: r.Listen.String(), Open: c.open.Load(), Accepted: c.accepted.Load(),
		RefusedLimit: c.refusedLimit.Load(), RefusedToken: c.refusedToken.Load(), RefusedRequest: c.refusedRequest.Load(),
		DialFailed: c.dialFailed.Load(), Broken: c.broken.Load(), In: c.in.Load(), Out: c.out.Load(),
		Dropped: c.dropped.Load(),
	}
	if r.Lookup == nil {
		s.Target = r.Target.Redacted()
	}
	return s
}
