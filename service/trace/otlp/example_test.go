package otlp_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/trace"
	"github.com/tidewire/tidewire/service/trace/otlp"
)

func Example() {
	os.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
	exporter, err := otlp.New(otlp.FromEnvironment())
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))),
	)
	hub := live.NewHub(&live.Options{Hooks: trace.Hooks(trace.Options{Provider: provider})})
	// …
	hub.Close()
	fmt.Println(err, provider.Shutdown(context.Background()))
	// Output: <nil> <nil>
}

// The page's program is the one above.
func TestPageProgram(t *testing.T) {
	page, err := os.ReadFile("../../../docs/tracing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if code == "" || !strings.Contains(string(example), code) {
		t.Errorf("example_test.go does not have\n%s", code)
	}
}
