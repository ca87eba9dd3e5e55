// Package metrics is what a live.Hub and the connections of its process do, for Prometheus.
//
//	m := metrics.New(metrics.Options{})
//	hub := live.NewHub(&live.Options{Hooks: m.Hooks(nil)})
//	m.Watch(hub)
//	http.Handle("/metrics", m.Handler())
//
// docs/metrics.md lists the metrics. No name of a user or a session is a label, and nothing that a client can choose, but for the names
// of a few rooms: see Options.HotRooms.
package metrics

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tidewire/tidewire/live"
)

// Options configures a Metrics. The zero value of each field is its default.
type Options struct {
	// HotRooms is of how many rooms the name, the rate and the recovery horizon are shown: those with the greatest rate. 0 means
	// 20; negative means none, where names of rooms are nobody's business.
	HotRooms int

	// Types are the types of messages that are counted each by itself; all others are counted together as "other". nil means none.
	// New panics where there are more than 100.
	Types []string

	// MaxAge is how old what was read of all sessions and rooms may be when it is shown. It becomes older where the reading takes more than
	// a twentieth of that time. 0 means 5 s; negative means that each scrape reads anew.
	MaxAge time.Duration

	// Version is that of the program, for tidewire_build_info. "" means that of its main module.
	Version string

	// Scrapes is how many are answered at a time; others get 503. 0 means 4.
	Scrapes int

	// Timeout bounds a scrape; past it, the answer is 503. 0 means 10 s.
	Timeout time.Duration

	// Logger hears of what could not be collected. nil means slog.Default().
	Logger *slog.Logger
}

const maxTypes = 100

// Metrics has the metrics of one hub. It is safe for concurrent use.
type Metrics struct {
	set      Options
	registry *prometheus.Registry
	hooks    func() *live.Hooks // what they count is shown from the first call on
	watched  atomic.Bool
}

// New returns a Metrics with a registry of its own, which has the connections of package ws, the Go runtime and the process. It
// panics where the options cannot be.
func New(o Options) *Metrics {
	o.HotRooms = cmp.Or(o.HotRooms, 20)
	o.MaxAge = cmp.Or(o.MaxAge, 5*time.Second)
	o.Scrapes = cmp.Or(o.Scrapes, 4)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	if len(o.Types) > maxTypes {
		panic(fmt.Sprintf("metrics: %d Types; %d are the most", len(o.Types), maxTypes))
	}
	m := &Metrics{set: o, registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(o.Version),
		connections{},
	)
	m.hooks = sync.OnceValue(func() *live.Hooks { return newRecorder(m.registry, o.Types).hooks() })
	return m
}

// Registerer takes the collectors of other parts of the program, to be shown beside these.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Gatherer gives what the Handler shows.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Hooks returns what live.Options.Hooks needs: the Metrics' own and then the application's, which may be nil. A program that does not
// call it has no hub, and is shown none of what they count.
func (m *Metrics) Hooks(application *live.Hooks) *live.Hooks { return m.hooks().And(application) }

// Watch shows what the hub has. A Metrics watches one: a second call panics. The hub may end before the Metrics does.
func (m *Metrics) Watch(hub *live.Hub) {
	if m.watched.Swap(true) {
		panic("metrics: Watch was called before")
	}
	m.registry.MustRegister(newHubCollector(hub, &m.set))
}

// Handler answers scrapes, in the text format of Prometheus or, where that is asked for, in OpenMetrics. It asks nobody who they
// are.
func (m *Metrics) Handler() http.Handler {
	log := m.set.Logger
	if log == nil {
		log = slog.Default()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            errorLog{log},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: m.set.Scrapes,
		Timeout:             m.set.Timeout,
		EnableOpenMetrics:   true,
	})
}

// errorLog is a slog.Logger as promhttp wants it.
type errorLog struct{ log *slog.Logger }

func (l errorLog) Println(v ...any) {
	l.log.Error("metrics: a scrape failed", "error", fmt.Sprint(v...))
}

func buildInfo(version string) prometheus.Collector {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tidewire_build_info", Help: "1, with what the program was built from.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}
