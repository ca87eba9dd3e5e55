package natsbroker

import (
	"time"
	_ "unsafe" // for go:linkname
)

// How fast the servers of a cluster miss their leader. nats-server has no options for that: behind a leader that was killed,
// nothing is stored for 4 to 9 s. These are its own variables, at a third of what they are; the proportions, which
// matter for safety and calm, are the same (TestElection sees that they are still there).
// Measured by TestPromise -promise.hurts SIGKILL: publishing to all rooms resumed within 1.8 s (p50) and 2.5 s (the longest of 13), before 4.7 s and 7.5 s.
//
//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

//go:linkname lostQuorumInterval github.com/nats-io/nats-server/v2/server.lostQuorumInterval
var lostQuorumInterval time.Duration

//go:linkname lostQuorumCheck github.com/nats-io/nats-server/v2/server.lostQuorumCheck
var lostQuorumCheck time.Duration

func init() {
	for _, d := range []*time.Duration{&minElectionTimeout, &maxElectionTimeout, &hbInterval, &lostQuorumInterval, &lostQuorumCheck} {
		*d /= 3
	}
}
