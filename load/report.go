package load

import (
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a run has measured. It is also the form of the JSON.
type Report struct {
	Tool        string      `json:"tool,omitempty"`
	Start       time.Time   `json:"start"`
	Go          string      `json:"go"`
	Platform    string      `json:"platform"`
	Cores       int         `json:"cores"`
	URL         string      `json:"url"`
	Scenario    Scenario    `json:"scenario"`
	Connections int         `json:"connections"`
	Depth       int         `json:"depth,omitempty"`
	Rate        float64     `json:"rate,omitempty"` // a second; 0 is a closed loop
	Sizes       Sizes       `json:"sizes"`
	Text        bool        `json:"text,omitempty"`
	Compression Compression `json:"compression,omitempty"`
	Rooms       int         `json:"rooms,omitempty"`      // in the scenario live
	Publishers  int         `json:"publishers,omitempty"` // of each room
	Stalled     int         `json:"stalled,omitempty"`    // connections that read nothing

	Seconds  float64 `json:"seconds"` // measured
	Opened   int64   `json:"opened"`  // connections, in all
	Sent     int64   `json:"sent"`
	SentLate int64   `json:"sent_late,omitempty"` // beside Sent: those that still went when the measurement was over, which no other figure has
	Received int64   `json:"received"`            // messages that came back right, in fan-outs and live once for each who got it; in the scenario upgrade, connections made
	Bytes    int64   `json:"bytes"`               // that arrived
	// SentCompressed and ReceivedCompressed are those of Sent and Received that went, and came back, compressed.
	SentCompressed     Volume `json:"sent_compressed,omitzero"`
	ReceivedCompressed Volume `json:"received_compressed,omitzero"`
	Lost               int64  `json:"lost"` // messages that had not come back when the run ended
	// Errors counts each kind over the whole run.
	Errors map[string]int64 `json:"errors,omitempty"`

	// Latency counts from when a message was due, Service from when it was sent; in a
	// closed loop they are the same. Lag is how late the generator itself was.
	Latency   Latency `json:"latency"`
	Service   Latency `json:"service"`
	Lag       Latency `json:"lag"`
	Handshake Latency `json:"handshake"`
	Joins     Latency `json:"joins,omitzero"` // in the scenario live: how long it took to be in a room

	CPU       float64 `json:"cpu_seconds"`                  // of the generator, while it measured
	ServerCPU float64 `json:"server_cpu_seconds,omitempty"` // of the server's process
	Stopped   bool    `json:"stopped,omitempty"`            // before its time

	Windows []Window `json:"windows"` // a second each
}

// Latency is a distribution of durations in nanoseconds.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	Min   int64   `json:"min"`
	P50   int64   `json:"p50"`
	P90   int64   `json:"p90"`
	P99   int64   `json:"p99"`
	P999  int64   `json:"p999"`
	Max   int64   `json:"max"`
	// Curve holds the distribution from 0 to 100%, denser towards the end.
	Curve []Quantile `json:"curve,omitempty"`
}

// Quantile is the duration in nanoseconds that so many percent do not exceed.
type Quantile struct {
	Percent float64 `json:"percent"`
	Nanos   int64   `json:"ns"`
}

// Window is what happened in one second, or in what there was of it.
type Window struct {
	At         float64 `json:"at"`                   // seconds since the run began, at the window's end
	Seconds    float64 `json:"seconds"`              // its length
	Warmup     bool    `json:"warmup,omitempty"`     // it does not count
	Connecting bool    `json:"connecting,omitempty"` // nor does it, as connections are still being opened
	Open       int64   `json:"open"`                 // connections
	Sent       int64   `json:"sent"`
	Received   int64   `json:"received"`
	Bytes      int64   `json:"bytes"`
	Compressed Volume  `json:"compressed,omitzero"` // what was received compressed
	Errors     int64   `json:"errors"`
	P50        int64   `json:"p50"` // nanoseconds
	P99        int64   `json:"p99"`
	Max        int64   `json:"max"`
	CPU        float64 `json:"cpu_seconds"`
	ServerCPU  float64 `json:"server_cpu_seconds,omitempty"`
}

func latencyOf(h *hdrhistogram.Histogram, curve bool) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	q := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9})
	l := Latency{Count: h.TotalCount(), Mean: h.Mean(), Min: h.Min(), P50: q[0], P90: q[1], P99: q[2], P999: q[3], Max: h.Max()}
	if curve {
		for _, b := range h.CumulativeDistributionWithTicks(5) {
			l.Curve = append(l.Curve, Quantile{b.Quantile, b.ValueAt})
		}
	}
	return l
}

func (r *run) newReport() *Report {
	p := r.plan
	return &Report{
		Start: r.start, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(),
		URL: p.URL, Scenario: p.Scenario, Connections: p.Connections, Depth: p.Depth, Rate: p.Rate, Sizes: p.Sizes, Text: p.Text, Compression: p.Compression,
		Rooms: p.Rooms, Publishers: p.Publishers, Stalled: p.Stalled,
		Errors: make(map[string]int64),
	}
}
