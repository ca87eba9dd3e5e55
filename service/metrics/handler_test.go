package metrics_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/service/metrics"
)

func scrape(h http.Handler, accept string) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(w, r)
	return w
}

func TestHandlerFormats(t *testing.T) {
	m := metrics.New(metrics.Options{Logger: quiet})
	extra := prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_orders_total", Help: "Orders."})
	m.Registerer().MustRegister(extra)
	extra.Add(7)
	for accept, want := range map[string]struct{ contentType, end string }{
		"": {"text/plain; version=0.0.4", "\n"},
		"application/openmetrics-text;version=1.0.0": {"application/openmetrics-text; version=1.0.0", "# EOF\n"},
	} {
		w := scrape(m.Handler(), accept)
		body := w.Body.String()
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), want.contentType) || !strings.HasSuffix(body, want.end) ||
			!strings.Contains(body, "\nshop_orders_total 7") {
			t.Errorf("%q: %d, %s, %.200s", accept, w.Code, w.Header().Get("Content-Type"), body)
		}
	}
}

// stuck is a collector that waits for leave, or fails without one.
type stuck struct{ entered, leave chan struct{} }

var stuckDesc = prometheus.NewDesc("shop_stuck", "Waits.", nil, nil)

func (s stuck) Describe(to chan<- *prometheus.Desc) { to <- stuckDesc }

func (s stuck) Collect(to chan<- prometheus.Metric) {
	if s.leave == nil {
		to <- prometheus.NewInvalidMetric(stuckDesc, errors.New("on purpose"))
		return
	}
	s.entered <- struct{}{}
	<-s.leave
}

func TestScrapesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New(metrics.Options{Scrapes: 2, Timeout: 3 * time.Second, Logger: quiet})
		s := stuck{make(chan struct{}, 10), make(chan struct{})}
		m.Registerer().MustRegister(s)
		h := m.Handler()
		began, codes := time.Now(), make(chan int, 2)
		for range 2 {
			go func() { codes <- scrape(h, "").Code }()
		}
		<-s.entered
		<-s.entered
		if w := scrape(h, ""); w.Code != 503 || time.Since(began) != 0 {
			t.Errorf("the third scrape: %d after %v", w.Code, time.Since(began))
		}
		if a, b := <-codes, <-codes; a != 503 || b != 503 || time.Since(began) != 3*time.Second {
			t.Errorf("scrapes that last: %d and %d after %v", a, b, time.Since(began))
		}
		if w := scrape(h, ""); w.Code != 503 || time.Since(began) != 3*time.Second { // they still hold their places
			t.Errorf("while two are stuck: %d", w.Code)
		}
		close(s.leave)
		synctest.Wait()
		if w := scrape(h, ""); w.Code != 200 {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

// One part that fails does not hide the others.
func TestHandlerGoesOn(t *testing.T) {
	m := metrics.New(metrics.Options{Logger: quiet})
	m.Registerer().MustRegister(stuck{})
	if w := scrape(m.Handler(), ""); w.Code != 200 || !strings.Contains(w.Body.String(), "tidewire_build_info") {
		t.Errorf("%d, %.200s", w.Code, w.Body)
	}
}
