package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/bridge"
)

// bridgeFigures are the metrics of a bridge.
type bridgeFigures struct{ bridge *bridge.Bridge }

var (
	bridgeLabels   = []string{"listen", "target"}
	bridgeOpen     = prometheus.NewDesc("tidewire_bridge_connections", "Clients now.", bridgeLabels, nil)
	bridgeAccepted = prometheus.NewDesc("tidewire_bridge_accepted_total", "Clients that were let in.", bridgeLabels, nil)
	bridgeRefused  = prometheus.NewDesc("tidewire_bridge_refused_total", "Clients that were not, before anything was dialled: over a limit, without a token, or for their handshake or origin.", append(bridgeLabels[:2:2], "reason"), nil)
	bridgeUndialed = prometheus.NewDesc("tidewire_bridge_dial_failures_total", "Targets that could not be reached.", bridgeLabels, nil)
	bridgeBroken   = prometheus.NewDesc("tidewire_bridge_broken_total", "Connections that did not end in good order.", bridgeLabels, nil)
	bridgeBytes    = prometheus.NewDesc("tidewire_bridge_bytes_total", "Bytes that targets (in) and clients (out) were given.", append(bridgeLabels[:2:2], "direction"), nil)
	bridgeDropped  = prometheus.NewDesc("tidewire_bridge_datagrams_dropped_total", "Datagrams that a side could not take, or that waited when their connection ended.", bridgeLabels, nil)
)

// Describe is a Collector's.
func (bridgeFigures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bridgeOpen, bridgeAccepted, bridgeRefused, bridgeUndialed, bridgeBroken, bridgeBytes, bridgeDropped} {
		to <- d
	}
}

// Collect is a Collector's.
func (f bridgeFigures) Collect(to chan<- prometheus.Metric) {
	for _, s := range f.bridge.Stats() {
		target := s.Target
		if target == "" {
			target = "tokens"
		}
		say := func(d *prometheus.Desc, kind prometheus.ValueType, value int64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, float64(value), append([]string{s.Listen, target}, labels...)...)
		}
		say(bridgeOpen, prometheus.GaugeValue, s.Open)
		say(bridgeAccepted, prometheus.CounterValue, s.Accepted)
		say(bridgeRefused, prometheus.CounterValue, s.RefusedLimit, "limit")
		say(bridgeRefused, prometheus.CounterValue, s.RefusedToken, "token")
		say(bridgeRefused, prometheus.CounterValue, s.RefusedRequest, "request")
		say(bridgeUndialed, prometheus.CounterValue, s.DialFailed)
		say(bridgeBroken, prometheus.CounterValue, s.Broken)
		say(bridgeBytes, prometheus.CounterValue, s.In, "in")
		say(bridgeBytes, prometheus.CounterValue, s.Out, "out")
		say(bridgeDropped, prometheus.CounterValue, s.Dropped)
	}
}
