package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/service/webhook"
)

// figures are the metrics of what serve has beside its hub: the application that is asked, and the certificate.
type figures struct {
	asks *webhook.Webhook // nil unless an application is asked
	pair *keyPair         // nil without TLS
}

var (
	event             = []string{"event"}
	webhookAsked      = prometheus.NewDesc("tidewire_webhook_questions_total", "Questions to the application, and things that it was to be told.", event, nil)
	webhookFailed     = prometheus.NewDesc("tidewire_webhook_failures_total", "Those that got no answer.", event, nil)
	webhookRefused    = prometheus.NewDesc("tidewire_webhook_refusals_total", "Those to which the application said no.", event, nil)
	webhookSkipped    = prometheus.NewDesc("tidewire_webhook_skipped_total", "Failures of which nothing was sent: the breaker was open, or too many were under way.", event, nil)
	webhookRetried    = prometheus.NewDesc("tidewire_webhook_retries_total", "Attempts beside the first.", event, nil)
	webhookDropped    = prometheus.NewDesc("tidewire_webhook_dropped_total", "Things that the application was never told.", event, nil)
	webhookSeconds    = prometheus.NewDesc("tidewire_webhook_asking_seconds_total", "Time until there was an answer or none, over all that were sent.", event, nil)
	webhookOpen       = prometheus.NewDesc("tidewire_webhook_breaker_open", "1 while the application counts as down.", nil, nil)
	webhookOpened     = prometheus.NewDesc("tidewire_webhook_breaker_opened_total", "How often that began.", nil, nil)
	webhookUnderWay   = prometheus.NewDesc("tidewire_webhook_in_flight", "Questions that wait for an answer.", nil, nil)
	webhookQueued     = prometheus.NewDesc("tidewire_webhook_queued", "Things that wait to be told.", nil, nil)
	certificateExpiry = prometheus.NewDesc("tidewire_certificate_expiry_timestamp_seconds", "When the certificate that is served ends.", nil, nil)
)

// Describe is a Collector's.
func (figures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		webhookAsked, webhookFailed, webhookRefused, webhookSkipped, webhookRetried, webhookDropped, webhookSeconds,
		webhookOpen, webhookOpened, webhookUnderWay, webhookQueued, certificateExpiry,
	} {
		to <- d
	}
}

// Collect is a Collector's.
func (f figures) Collect(to chan<- prometheus.Metric) {
	say := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	if f.pair != nil {
		say(certificateExpiry, prometheus.GaugeValue, float64(f.pair.current.Load().Leaf.NotAfter.Unix()))
	}
	if f.asks == nil {
		return
	}
	s := f.asks.Stats()
	for e, c := range map[webhook.Event]webhook.Counts{webhook.Connect: s.Connect, webhook.Join: s.Join, webhook.Publish: s.Publish, webhook.Disconnect: s.Disconnect} {
		say(webhookAsked, prometheus.CounterValue, float64(c.Asked), string(e))
		say(webhookFailed, prometheus.CounterValue, float64(c.Failed), string(e))
		say(webhookRefused, prometheus.CounterValue, float64(c.Refused), string(e))
		say(webhookSkipped, prometheus.CounterValue, float64(c.Skipped), string(e))
		say(webhookRetried, prometheus.CounterValue, float64(c.Retried), string(e))
		say(webhookDropped, prometheus.CounterValue, float64(c.Dropped), string(e))
		say(webhookSeconds, prometheus.CounterValue, c.Latency.Seconds(), string(e))
	}
	open := 0.0
	if s.BreakerOpen {
		open = 1
	}
	say(webhookOpen, prometheus.GaugeValue, open)
	say(webhookOpened, prometheus.CounterValue, float64(s.BreakerOpened))
	say(webhookUnderWay, prometheus.GaugeValue, float64(s.UnderWay))
	say(webhookQueued, prometheus.GaugeValue, float64(s.Queued))
}
