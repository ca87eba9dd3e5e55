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
		for _, m := range []struct {
			of    *prometheus.Desc
			value int64
			label string // behind the others
		}{
			{bridgeOpen, s.Open, ""},
			{bridgeAccepted, s.Accepted, ""},
			{bridgeRefused, s.RefusedLimit, "limit"},
			{bridgeRefused, s.RefusedToken, "token"},
			{bridgeRefused, s.RefusedRequest, "request"},
			{bridgeUndialed, s.DialFailed, ""},
			{bridgeBroken, s.Broken, ""},
			{bridgeBytes, s.In, "in"},
			{bridgeBytes, s.Out, "out"},
			{bridgeDropped, s.Dropped, ""},
		} {
			kind, labels := prometheus.CounterValue, []string{s.Listen, target}
			if m.of == bridgeOpen {
				kind = prometheus.GaugeValue
			}
			if m.label != "" {
				labels = append(labels, m.label)
			}
			to <- prometheus.MustNewConstMetric(m.of, kind, float64(m.value), labels...)
		}
	}
}
