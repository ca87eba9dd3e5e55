package otlp

import (
	"cmp"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// FromEnvironment returns Options as the OpenTelemetry specification has them: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or
// OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces behind it, and likewise …_HEADERS ("key=value,key=value", percent-encoded) and …_TIMEOUT
// (milliseconds). Endpoint is "" where neither is set. Values that cannot be read count as none.
func FromEnvironment() Options {
	o := Options{Endpoint: os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")}
	if base := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); o.Endpoint == "" && base != "" {
		o.Endpoint = strings.TrimRight(base, "/") + "/v1/traces"
	}
	o.Header = headers(either("HEADERS"))
	if ms, err := strconv.ParseInt(either("TIMEOUT"), 10, 32); err == nil && ms > 0 {
		o.Timeout = time.Duration(ms) * time.Millisecond
	}
	return o
}

// either is a setting for traces, or for all.
func either(name string) string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), os.Getenv("OTEL_EXPORTER_OTLP_"+name))
}

// headers reads "key=value,key=value", in which values are percent-encoded.
func headers(text string) http.Header {
	h := http.Header{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = strings.TrimSpace(key); ok && err == nil && key != "" {
			h.Set(key, value)
		}
	}
	return h
}
