package natsbroker

import (
	"testing"
	"time"
)

// The names are another module's. If they are no more, these variables are only ours, and zero.
func TestElection(t *testing.T) {
	for _, x := range []struct {
		name string
		d    time.Duration
		most time.Duration
	}{
		{"minElectionTimeout", minElectionTimeout, 4 * time.Second},
		{"maxElectionTimeout", maxElectionTimeout, 9 * time.Second},
		{"hbInterval", hbInterval, time.Second},
		{"lostQuorumInterval", lostQuorumInterval, 10 * time.Second},
		{"lostQuorumCheck", lostQuorumCheck, 10 * time.Second},
	} {
		if x.d != x.most/3 {
			t.Errorf("%s is %v, not a third of %v: has nats-server changed it?", x.name, x.d, x.most)
		}
	}
}
