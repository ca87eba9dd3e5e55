package natsbroker

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Options configures a Broker. The zero value of each field is its default; nil stands for the zero value of them all.
type Options struct {
	// Name begins the names of all streams and subjects, so that deployments can share servers. It is one token of a
	// subject: letters, digits, - and _. "" means tidewire.
	Name string

	// Replicas is how many servers store each message. 0 means 3 in a cluster and 1 elsewhere; streams that are there
	// already are left as they are then.
	Replicas int

	// Shards is how many streams the rooms of a pattern are spread over. Another number is another set of streams: the
	// history begins anew, with a new epoch, and what the old ones hold stays where it is until they are deleted. 0 means 4.
	Shards int

	// MaxBytes bounds what is stored of all rooms of a pattern together, on each server; past it the oldest message of a stream is
	// evicted, whichever room it is in. 0 means 1 GiB.
	MaxBytes int64

	// Dedupe is for how long a repeated message is known again. 0 means 2 minutes.
	Dedupe time.Duration

	// AckTimeout is how long a publish may take until it is said to have failed. 0 means 5 s.
	AckTimeout time.Duration

	// NATS says more of the connection: credentials, TLS. What the broker needs for itself comes behind it.
	NATS []nats.Option

	// Logger hears of connections that are lost and found, and of what NATS says. nil means slog.Default().
	Logger *slog.Logger
}

func (o *Options) withDefaults() (Options, error) {
	var set Options
	if o != nil {
		set = *o
	}
	set.Name = cmp.Or(set.Name, "tidewire")
	set.Shards = cmp.Or(set.Shards, 4)
	set.MaxBytes = cmp.Or(set.MaxBytes, 1<<30)
	set.Dedupe = cmp.Or(set.Dedupe, 2*time.Minute)
	set.AckTimeout = cmp.Or(set.AckTimeout, 5*time.Second)
	if set.Logger == nil {
		set.Logger = slog.Default()
	}
	name := strings.TrimLeft(set.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
	switch {
	case name != "" || len(set.Name) > 64:
		return set, fmt.Errorf("natsbroker: Options.Name is %q; it may have 64 letters, digits, - and _", set.Name)
	case set.Shards < 0 || set.Shards > 256:
		return set, fmt.Errorf("natsbroker: Options.Shards is %d; it must be 1 to 256", set.Shards)
	case set.Replicas < 0 || set.Replicas > 5:
		return set, fmt.Errorf("natsbroker: Options.Replicas is %d; it must be 1 to 5", set.Replicas)
	case set.MaxBytes < 0 || set.Dedupe < 0 || set.AckTimeout < 0:
		return set, fmt.Errorf("natsbroker: a negative option")
	}
	return set, nil
}
