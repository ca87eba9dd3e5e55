package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/trace"
	"github.com/tidewire/tidewire/service/trace/otlp"
)

// traceFlags say what is traced. Where the spans go, the variables of OpenTelemetry say.
type traceFlags struct {
	Traces     float64 `help:"Trace which share of the messages of clients, and send the spans as OTLP/JSON to OTEL_EXPORTER_OTLP_ENDPOINT: 1 is all, 0.01 each hundredth." default:"0" placeholder:"SHARE"`
	TraceNames bool    `help:"Let the spans have the names of rooms, users, sessions and types."`
}

func (f *traceFlags) validate() error {
	if f.Traces < 0 || f.Traces > 1 {
		return errors.New("--traces must be from 0 to 1")
	}
	if f.TraceNames && f.Traces == 0 {
		return errors.New("--trace-names goes with --traces")
	}
	return nil
}

// open returns hooks that trace, and what sends the spans that wait and ends it. Both are of use where nothing is traced.
func (f *traceFlags) open(log *slog.Logger) (hooks *live.Hooks, end func(context.Context), err error) {
	if f.Traces == 0 {
		return nil, func(context.Context) {}, nil
	}
	set := otlp.FromEnvironment()
	if set.Endpoint == "" {
		return nil, nil, errors.New("--traces: OTEL_EXPORTER_OTLP_ENDPOINT does not say where to")
	}
	exporter, err := otlp.New(set)
	if err != nil {
		return nil, nil, fmt.Errorf("--traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces were not sent", "error", err) }))
	about := resource.NewSchemaless(attribute.String("service.name", "tidewire"), attribute.String("service.version", version()))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(about), sdktrace.WithSampler(sdktrace.TraceIDRatioBased(f.Traces)),
	)
	return trace.Hooks(trace.Options{Provider: provider, Names: f.TraceNames}), func(ctx context.Context) {
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("traces were not sent", "error", err)
		}
	}, nil
}
