package otlp

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The messages of opentelemetry-proto, as far as spans need them, in the JSON that OTLP prescribes: ids are hexadecimal, 64-bit integers are strings,
// enumerations are numbers.
type (
	request struct {
		ResourceSpans []*resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributes    `json:"resource"`
		ScopeSpans []*scopeSpans `json:"scopeSpans"`
		SchemaURL  string        `json:"schemaUrl,omitempty"`

		scopes map[instrumentation.Scope]*scopeSpans
	}
	attributes struct {
		Attributes []keyValue `json:"attributes,omitempty"`
	}
	scopeSpans struct {
		Scope     scope  `json:"scope"`
		Spans     []span `json:"spans"`
		SchemaURL string `json:"schemaUrl,omitempty"`
	}
	scope struct {
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		Attributes []keyValue `json:"attributes,omitempty"`
	}
	span struct {
		TraceID           string     `json:"traceId"`
		SpanID            string     `json:"spanId"`
		TraceState        string     `json:"traceState,omitempty"`
		ParentSpanID      string     `json:"parentSpanId,omitempty"`
		Flags             uint32     `json:"flags"`
		Name              string     `json:"name"`
		Kind              int        `json:"kind"`
		Start             string     `json:"startTimeUnixNano"`
		End               string     `json:"endTimeUnixNano"`
		Attributes        []keyValue `json:"attributes,omitempty"`
		DroppedAttributes int        `json:"droppedAttributesCount,omitempty"`
		Events            []event    `json:"events,omitempty"`
		DroppedEvents     int        `json:"droppedEventsCount,omitempty"`
		Links             []link     `json:"links,omitempty"`
		DroppedLinks      int        `json:"droppedLinksCount,omitempty"`
		Status            status     `json:"status"`
	}
	event struct {
		Time              string     `json:"timeUnixNano"`
		Name              string     `json:"name"`
		Attributes        []keyValue `json:"attributes,omitempty"`
		DroppedAttributes int        `json:"droppedAttributesCount,omitempty"`
	}
	link struct {
		TraceID           string     `json:"traceId"`
		SpanID            string     `json:"spanId"`
		TraceState        string     `json:"traceState,omitempty"`
		Attributes        []keyValue `json:"attributes,omitempty"`
		DroppedAttributes int        `json:"droppedAttributesCount,omitempty"`
		Flags             uint32     `json:"flags"`
	}
	status struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	// value has one member at most.
	value struct {
		String *string     `json:"stringValue,omitempty"`
		Bool   *bool       `json:"boolValue,omitempty"`
		Int    string      `json:"intValue,omitempty"`
		Double any         `json:"doubleValue,omitempty"`
		Array  *arrayValue `json:"arrayValue,omitempty"`
		Map    *mapValue   `json:"kvlistValue,omitempty"`
		Bytes  *[]byte     `json:"bytesValue,omitempty"`
	}
	mapValue struct {
		Values []keyValue `json:"values"`
	}
	arrayValue struct {
		Values []value `json:"values"`
	}
)

// encode returns the body of a post.
func encode(spans []sdktrace.ReadOnlySpan) ([]byte, error) {
	var r request
	byResource := map[attribute.Distinct]*resourceSpans{}
	for _, s := range spans {
		res := s.Resource()
		group := byResource[res.Equivalent()]
		if group == nil {
			group = newResourceSpans(res)
			byResource[res.Equivalent()] = group
			r.ResourceSpans = append(r.ResourceSpans, group)
		}
		group.add(s)
	}
	return json.Marshal(r)
}

func newResourceSpans(res *resource.Resource) *resourceSpans {
	return &resourceSpans{
		Resource: attributes{keyValues(res.Attributes())}, SchemaURL: res.SchemaURL(), scopes: map[instrumentation.Scope]*scopeSpans{},
	}
}

func (g *resourceSpans) add(s sdktrace.ReadOnlySpan) {
	from := s.InstrumentationScope()
	group := g.scopes[from]
	if group == nil {
		group = &scopeSpans{Scope: scope{from.Name, from.Version, keyValues(from.Attributes.ToSlice())}, SchemaURL: from.SchemaURL}
		g.scopes[from] = group
		g.ScopeSpans = append(g.ScopeSpans, group)
	}
	group.Spans = append(group.Spans, spanOf(s))
}

func spanOf(s sdktrace.ReadOnlySpan) span {
	c := s.SpanContext()
	one := span{
		TraceID: c.TraceID().String(), SpanID: c.SpanID().String(), TraceState: c.TraceState().String(), Flags: flagsOf(c, s.Parent()),
		Name: s.Name(), Kind: int(s.SpanKind()), Start: nanoseconds(s.StartTime()), End: nanoseconds(s.EndTime()),
		Attributes: keyValues(s.Attributes()), DroppedAttributes: s.DroppedAttributes(), DroppedEvents: s.DroppedEvents(), DroppedLinks: s.DroppedLinks(),
		Status: statusOf(s.Status()),
	}
	if parent := s.Parent().SpanID(); parent.IsValid() {
		one.ParentSpanID = parent.String()
	}
	for _, e := range s.Events() {
		one.Events = append(one.Events, event{nanoseconds(e.Time), e.Name, keyValues(e.Attributes), e.DroppedAttributeCount})
	}
	for _, l := range s.Links() {
		c := l.SpanContext
		one.Links = append(one.Links, link{c.TraceID().String(), c.SpanID().String(), c.TraceState().String(), keyValues(l.Attributes), l.DroppedAttributeCount, flagsOf(c, c)})
	}
	return one
}

// flagsOf are those of the W3C, and whether the parent is of another process (bits 8 and 9: it is known, it is).
func flagsOf(c, parent trace.SpanContext) uint32 {
	flags := uint32(c.TraceFlags()) | 1<<8
	if parent.IsRemote() {
		flags |= 1 << 9
	}
	return flags
}

// statusOf turns a status into that of the protocol, in which ok is 1 and error 2.
func statusOf(s sdktrace.Status) status {
	switch s.Code {
	case codes.Ok:
		return status{Code: 1}
	case codes.Error:
		return status{Message: s.Description, Code: 2}
	}
	return status{}
}

func nanoseconds(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}

func keyValues(all []attribute.KeyValue) []keyValue {
	var list []keyValue
	for _, kv := range all {
		list = append(list, keyValue{string(kv.Key), valueOf(kv.Value)})
	}
	return list
}

func valueOf(v attribute.Value) value {
	switch v.Type() {
	case attribute.BOOL:
		return boolean(v.AsBool())
	case attribute.INT64:
		return integer(v.AsInt64())
	case attribute.FLOAT64:
		return double(v.AsFloat64())
	case attribute.STRING:
		return text(v.AsString())
	case attribute.BOOLSLICE:
		return array(v.AsBoolSlice(), boolean)
	case attribute.INT64SLICE:
		return array(v.AsInt64Slice(), integer)
	case attribute.FLOAT64SLICE:
		return array(v.AsFloat64Slice(), double)
	case attribute.STRINGSLICE:
		return array(v.AsStringSlice(), text)
	case attribute.BYTESLICE:
		return value{Bytes: new(v.AsByteSlice())}
	case attribute.SLICE:
		return array(v.AsSlice(), valueOf)
	case attribute.MAP:
		return value{Map: &mapValue{append([]keyValue{}, keyValues(v.AsMap())...)}}
	case attribute.EMPTY:
		return value{}
	}
	return text(v.String()) // of a type that came later
}

func boolean(b bool) value { return value{Bool: &b} }

func integer(n int64) value { return value{Int: strconv.FormatInt(n, 10)} }

func text(s string) value { return value{String: &s} }

// double is a number, or a word for what JSON has no number for.
func double(f float64) value {
	switch {
	case math.IsNaN(f):
		return value{Double: "NaN"}
	case math.IsInf(f, 1):
		return value{Double: "Infinity"}
	case math.IsInf(f, -1):
		return value{Double: "-Infinity"}
	}
	return value{Double: f}
}

func array[T any](all []T, f func(T) value) value {
	a := &arrayValue{Values: []value{}}
	for _, one := range all {
		a.Values = append(a.Values, f(one))
	}
	return value{Array: a}
}
