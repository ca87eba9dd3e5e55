package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/ws"
)

// connections are the counters of package ws, which are those of the process.
type connections struct{}

var (
	wsOpen    = prometheus.NewDesc("tidewire_ws_connections", "WebSocket connections of the process that are open, as a server or a client.", nil, nil)
	wsOpened  = prometheus.NewDesc("tidewire_ws_connections_opened_total", "WebSocket connections made.", nil, nil)
	wsClosed  = prometheus.NewDesc("tidewire_ws_connections_closed_total", "WebSocket connections that ended, by who ended them.", []string{"by"}, nil)
	wsFaults  = prometheus.NewDesc("tidewire_ws_faults_total", "WebSocket connections that this end closed or gave up, by reason.", []string{"reason"}, nil)
	wsRefused = prometheus.NewDesc("tidewire_ws_handshakes_refused_total", "Handshakes that were turned down.", nil, nil)
)

// Describe is a Collector's.
func (connections) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{wsOpen, wsOpened, wsClosed, wsFaults, wsRefused} {
		to <- d
	}
}

// Collect is a Collector's.
func (connections) Collect(to chan<- prometheus.Metric) {
	s := ws.Stats()
	counter := func(d *prometheus.Desc, n int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	to <- prometheus.MustNewConstMetric(wsOpen, prometheus.GaugeValue, float64(s.Open))
	counter(wsOpened, s.Opened)
	counter(wsRefused, s.Refused)
	counter(wsClosed, s.ByUs, ws.Us.String())
	counter(wsClosed, s.ByPeer, ws.Peer.String())
	counter(wsClosed, s.ByNetwork, ws.Network.String())
	counter(wsClosed, s.ByPolicy, ws.Policy.String())
	counter(wsFaults, s.Silent, "silent")
	counter(wsFaults, s.WriteStuck, "write-stuck")
	counter(wsFaults, s.MessageStuck, "message-stuck")
	counter(wsFaults, s.TooBig, "too-big")
	counter(wsFaults, s.Protocol, "protocol")
	counter(wsFaults, s.InvalidUTF8, "invalid-utf8")
	counter(wsFaults, s.SlowPeer, "slow-peer")
	counter(wsFaults, s.ControlFlood, "control-flood")
	counter(wsFaults, s.Budget, "budget")
	counter(wsFaults, s.Panic, "panic")
}
