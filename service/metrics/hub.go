package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/live"
)

// hubCollector shows what a hub has.
type hubCollector struct{ reader reader }

func newHubCollector(hub *live.Hub, o *Options) *hubCollector {
	return &hubCollector{reader{hub: hub, hot: o.HotRooms, maxAge: o.MaxAge}}
}

// figure is a metric of a snapshot without labels.
type figure struct {
	desc *prometheus.Desc
	typ  prometheus.ValueType
	of   func(s *snapshot) float64
}

func gauge(name, help string, of func(s *snapshot) float64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(s *snapshot) float64) figure {
	return figure{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, of}
}

var figures = []figure{
	gauge("tidewire_sessions", "Sessions connected.", func(s *snapshot) float64 { return float64(s.state.Sessions) }),
	gauge("tidewire_users", "Users with a session; strangers are none.", func(s *snapshot) float64 { return float64(s.state.Users) }),
	gauge("tidewire_rooms", "Rooms and wildcards with members on this node.", func(s *snapshot) float64 { return float64(s.state.Rooms) }),
	gauge("tidewire_room_members", "Members of all rooms together.", func(s *snapshot) float64 { return float64(s.state.Members) }),
	gauge("tidewire_rooms_healing", "Rooms that are reading what they may have missed.", func(s *snapshot) float64 { return float64(s.state.Healing) }),
	gauge("tidewire_publishes_in_flight", "Publishes of clients that are not stored yet.", func(s *snapshot) float64 { return float64(s.state.Publishing) }),
	gauge("tidewire_recent_bytes", "Bytes of recent messages kept for those who come back.", func(s *snapshot) float64 { return float64(s.state.Recent) }),
	gauge("tidewire_queued_bytes", "Bytes that wait for connections to take them.", func(s *snapshot) float64 { return float64(s.queued) }),
	gauge("tidewire_queued_bytes_max", "Bytes that wait for the connection for which most do.", func(s *snapshot) float64 { return float64(s.greatest) }),
	gauge("tidewire_degraded", "1 while messages cannot be stored.", func(s *snapshot) float64 { return truth(s.state.Degraded) }),
	gauge("tidewire_draining", "1 while the hub lets nobody in, and sends its sessions elsewhere.", func(s *snapshot) float64 { return truth(s.state.Draining) }),
	gauge("tidewire_snapshot_duration_seconds", "How long it took to read all sessions and rooms for these metrics.", func(s *snapshot) float64 { return s.took.Seconds() }),
	counter("tidewire_handler_panics_total", "Handlers that panicked.", func(s *snapshot) float64 { return float64(s.state.Panics) }),
	counter("tidewire_messages_received_total", "Messages of clients.", func(s *snapshot) float64 { return float64(s.state.MessagesIn) }),
	counter("tidewire_received_bytes_total", "Bytes of these, without frames and before compression.", func(s *snapshot) float64 { return float64(s.state.BytesIn) }),
	counter("tidewire_messages_sent_total", "Messages to clients; one to many members counts for each.", func(s *snapshot) float64 { return float64(s.state.MessagesOut) }),
	counter("tidewire_sent_bytes_total", "Bytes of these, without frames and before compression.", func(s *snapshot) float64 { return float64(s.state.BytesOut) }),
}

var (
	hotRate    = prometheus.NewDesc("tidewire_hot_room_messages_per_second", "Messages a second to a room, of those with the greatest rate, over about half a minute.", []string{"room"}, nil)
	hotMembers = prometheus.NewDesc("tidewire_hot_room_members", "Members of such a room on this node.", []string{"room"}, nil)
	hotHorizon = prometheus.NewDesc("tidewire_hot_room_horizon_seconds", "How long a member of such a room can be away and still recover all that it missed. Rooms without a history have none.", []string{"room"}, nil)
)

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe is a Collector's.
func (c *hubCollector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range figures {
		to <- f.desc
	}
	if c.reader.hot > 0 {
		to <- hotRate
		to <- hotMembers
		to <- hotHorizon
	}
}

// Collect is a Collector's.
func (c *hubCollector) Collect(to chan<- prometheus.Metric) {
	s := c.reader.read()
	for _, f := range figures {
		to <- prometheus.MustNewConstMetric(f.desc, f.typ, f.of(&s))
	}
	for _, room := range s.hot { // names are UTF-8: the protocol lets no other pass
		to <- prometheus.MustNewConstMetric(hotRate, prometheus.GaugeValue, room.Rate, room.Name)
		to <- prometheus.MustNewConstMetric(hotMembers, prometheus.GaugeValue, float64(room.Members), room.Name)
		if room.Horizon > 0 {
			to <- prometheus.MustNewConstMetric(hotHorizon, prometheus.GaugeValue, room.Horizon.Seconds(), room.Name)
		}
	}
}
