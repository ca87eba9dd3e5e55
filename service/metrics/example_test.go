package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/metrics"
)

func Example() {
	http := http.NewServeMux()
	m := metrics.New(metrics.Options{})
	hub := live.NewHub(&live.Options{Hooks: m.Hooks(nil)})
	m.Watch(hub)
	http.Handle("/metrics", m.Handler())

	defer hub.Close()
	w := httptest.NewRecorder()
	http.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "tidewire_sessions ") {
			fmt.Print(line)
		}
	}
	// Output: tidewire_sessions 0
}
