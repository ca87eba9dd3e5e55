package metrics

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/handled"
	"github.com/tidewire/tidewire/ws"
)

// recorder counts what a hub's hooks hear. What is called for each message looks its counters up by index or in a map that does not
// change, and allocates nothing.
type recorder struct {
	handled  [handled.Kinds]map[string]prometheus.Counter
	duration [handled.Kinds]prometheus.Observer
	types    map[string]prometheus.Counter // nil: they are not counted

	refused map[string]prometheus.Counter
	fanout  prometheus.Observer
	slow    map[live.Policy]prometheus.Counter
	gaps    map[string]prometheus.Counter

	started, healedRooms, healedMessages prometheus.Counter
	lifetime                             prometheus.Observer
	ended                                *prometheus.CounterVec

	timings sync.Pool
}

// latencies suit 100 µs to 10 s.
var latencies = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newRecorder(reg prometheus.Registerer, types []string) *recorder {
	r := &recorder{}
	r.timings.New = func() any { return r.newTiming() }
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		reg.MustRegister(h)
		return h
	}

	messages := counters("tidewire_handled_messages_total", "Messages of clients that a handler was called for, by what they want and what became of them.", "kind", "outcome")
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tidewire_handling_duration_seconds", Help: "How long a message of a client was handled, without its wait for those before it and without the storing.", Buckets: latencies,
	}, []string{"kind"})
	reg.MustRegister(duration)
	for k := range handled.Kinds {
		r.duration[k] = duration.WithLabelValues(k.String())
		r.handled[k] = map[string]prometheus.Counter{}
		for _, o := range outcomes {
			r.handled[k][o] = messages.WithLabelValues(k.String(), o)
		}
	}
	if len(types) > 0 {
		byType := counters("tidewire_typed_messages_total", "Handled messages of the application, by type: those of metrics.Options.Types, and all others.", "type")
		r.types = each(byType, append([]string{other}, types...))
	}
	r.refused = each(counters("tidewire_errors_sent_total", "Errors that clients were told, by code.", "code"), outcomes[1:])
	r.fanout = histogram("tidewire_fanout_members", "To how many members here a message of a room was brought at once.", []float64{0, 1, 10, 100, 1000, 10_000, 100_000})
	slow := counters("tidewire_slow_members_total", "How often a member had no room for a message, by what the room does then.", "policy")
	r.slow = map[live.Policy]prometheus.Counter{
		live.CatchUp: slow.WithLabelValues("catch-up"), live.Disconnect: slow.WithLabelValues("disconnect"),
		live.DropOldest: slow.WithLabelValues("drop-oldest"), live.Latest: slow.WithLabelValues("latest"),
	}
	r.gaps = each(counters("tidewire_gaps_total", "Gaps that the members of a room were told of, by reason.", "reason"),
		[]string{protocol.GapEvicted, protocol.GapEpoch, protocol.GapRewound, protocol.GapSlow, other})
	r.healedRooms = counter("tidewire_healed_rooms_total", "How often a room read from the history what it may have missed.")
	r.healedMessages = counter("tidewire_healed_messages_total", "Messages that rooms had missed, and read from the history.")
	r.started = counter("tidewire_sessions_started_total", "Sessions that were let in.")
	r.ended = counters("tidewire_sessions_ended_total", "Sessions that ended, by who ended them and the close code.", "by", "code")
	r.lifetime = histogram("tidewire_session_duration_seconds", "How long sessions lasted.", []float64{1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600})
	return r
}

// each is a counter for each value of the one label.
func each(v *prometheus.CounterVec, values []string) map[string]prometheus.Counter {
	all := map[string]prometheus.Counter{}
	for _, value := range values {
		all[value] = v.WithLabelValues(value)
	}
	return all
}

func (r *recorder) hooks() *live.Hooks {
	return &live.Hooks{
		Connected:    func(*live.Session) { r.started.Inc() },
		Disconnected: func(s *live.Session, err error) { r.disconnected(time.Since(s.Began()), err) },
		Message:      r.message,
		Refused: func(_ *live.Session, _ *live.Message, e *live.Error) {
			count(r.refused, e.Code, fold)
		},
		Published: func(_ *live.Message, members int) { r.fanout.Observe(float64(members)) },
		Slow: func(_ *live.Session, _ string, p live.Policy) {
			if c := r.slow[p]; c != nil {
				c.Inc()
			}
		},
		Gap: func(_, reason string) { count(r.gaps, reason, toOther) },
		Healed: func(_ string, messages int) {
			r.healedRooms.Inc()
			r.healedMessages.Add(float64(messages))
		},
	}
}

// count counts under a name, or under what it folds to where there is no such counter.
func count(all map[string]prometheus.Counter, name string, fold func(string) string) {
	c := all[name]
	if c == nil {
		c = all[fold(name)]
	}
	c.Inc()
}

func toOther(string) string { return other }

// timing is a message that is being handled.
type timing struct {
	r     *recorder
	kind  handled.Kind
	began time.Time
	done  func(err error) // its own over
}

func (r *recorder) newTiming() *timing {
	t := &timing{r: r}
	t.done = t.over
	return t
}

func (r *recorder) message(ctx context.Context, _ *live.Session, m *live.Message) (context.Context, func(err error)) {
	t := r.timings.Get().(*timing)
	t.kind, t.began = handled.KindOf(m), time.Now()
	if r.types != nil && m.Type[0] != '$' {
		count(r.types, m.Type, toOther)
	}
	return ctx, t.done
}

// over counts the message. It is called once, and the timing is another message's then.
func (t *timing) over(err error) {
	r := t.r
	r.duration[t.kind].Observe(time.Since(t.began).Seconds())
	count(r.handled[t.kind], outcomeOf(err), fold)
	r.timings.Put(t)
}

func (r *recorder) disconnected(lasted time.Duration, err error) {
	r.lifetime.Observe(lasted.Seconds())
	by, code := "nobody", other
	var ce *ws.CloseError
	if errors.As(err, &ce) {
		by, code = ce.By.String(), codeLabel(ce.Code)
	}
	r.ended.WithLabelValues(by, code).Inc()
}

// codeLabel is a close code that means something here. A client may send any of 3000 to 4999.
func codeLabel(code ws.StatusCode) string {
	if code >= ws.StatusNormalClosure && code <= ws.StatusTLSHandshake || code == protocol.StatusUnauthorized || code == protocol.StatusSentAway {
		return strconv.Itoa(int(code))
	}
	return other
}
