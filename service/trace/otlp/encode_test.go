package otlp

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// full is a span that has everything, and one of another scope, and one of another resource.
func full(t *testing.T) []sdktrace.ReadOnlySpan {
	state, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	own := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 15: 0xff}, SpanID: trace.SpanID{3, 7: 0xee}, TraceFlags: trace.FlagsSampled, TraceState: state,
	})
	remote := own.WithSpanID(trace.SpanID{9}).WithRemote(true)
	at := time.Unix(1_700_000_000, 123)
	shop := resource.NewSchemaless(attribute.String("service.name", "shop"))
	scope := instrumentation.Scope{Name: "scope", Version: "v1", SchemaURL: "https://example.org/scope", Attributes: attribute.NewSet(attribute.Bool("own", true))}
	return tracetest.SpanStubs{
		{
			Name: "full", SpanContext: own, Parent: remote, SpanKind: trace.SpanKindConsumer, StartTime: at, EndTime: at.Add(time.Second),
			Attributes: []attribute.KeyValue{
				attribute.String("string", "\"ä\"\xff"), attribute.String("empty", ""), attribute.Bool("false", false), attribute.Int64("int", math.MaxInt64), attribute.Int64("zero", 0),
				attribute.Float64("double", 1.5), attribute.Float64("NaN", math.NaN()), attribute.Float64("inf", math.Inf(1)), attribute.Float64("-inf", math.Inf(-1)),
				attribute.StringSlice("strings", []string{"a", ""}), attribute.BoolSlice("bools", []bool{true}), attribute.Int64Slice("ints", []int64{-1}),
				attribute.Float64Slice("doubles", nil), attribute.ByteSlice("bytes", []byte{0xff}), attribute.ByteSlice("no bytes", nil),
				attribute.Slice("mixed", attribute.Int64Value(7), attribute.StringValue("x"), attribute.Value{}),
				attribute.Map("map", attribute.Bool("deep", true)), attribute.Map("no map"),
			},
			Events:            []sdktrace.Event{{Name: "event", Time: at, Attributes: []attribute.KeyValue{attribute.Int("n", 1)}, DroppedAttributeCount: 4}},
			Links:             []sdktrace.Link{{SpanContext: remote, Attributes: []attribute.KeyValue{attribute.Int("n", 2)}, DroppedAttributeCount: 5}},
			Status:            sdktrace.Status{Code: codes.Error, Description: "internal"},
			DroppedAttributes: 1, DroppedEvents: 2, DroppedLinks: 3, Resource: shop, InstrumentationScope: scope,
		},
		{Name: "scope", SpanContext: own, SpanKind: trace.SpanKindServer, StartTime: at, EndTime: at, Status: sdktrace.Status{Code: codes.Ok}, Resource: shop, InstrumentationScope: instrumentation.Scope{Name: "other"}},
		{Name: "again", SpanContext: own, SpanKind: trace.SpanKindInternal, StartTime: at, EndTime: at, Resource: shop, InstrumentationScope: scope},
		{Name: "resource", SpanContext: own, StartTime: at, Resource: resource.Empty(), InstrumentationScope: scope},
	}.Snapshots()
}

// What is sent is what testdata/spans.json has, which was read by opentelemetry-proto's own types without a field left over.
func TestEncode(t *testing.T) {
	got, err := encode(full(t))
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "\t"); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	want, err := os.ReadFile("testdata/spans.json")
	if err != nil || !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("%v; got\n%s", err, pretty.Bytes())
	}
}
