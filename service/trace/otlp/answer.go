package otlp

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// retryable is an error after which the same may be sent again.
type retryable struct {
	error
	after time.Duration
}

// Unwrap returns the error.
func (r *retryable) Unwrap() error { return r.error }

const (
	maxAnswer = 64 << 10 // bytes that are read of an answer
	maxAfter  = time.Minute
)

// judge says what a collector's answer means.
func judge(host string, resp *http.Response) error {
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		after := min(time.Duration(max(0, min(seconds, 3600)))*time.Second, maxAfter)
		return &retryable{fmt.Errorf("otlp: %s answers with status %d", host, resp.StatusCode), after}
	default:
		return fmt.Errorf("otlp: %s answers with status %d", host, resp.StatusCode)
	}
	var answer struct {
		PartialSuccess struct {
			RejectedSpans json.RawMessage `json:"rejectedSpans"` // a string, as 64-bit integers are, or a number
		} `json:"partialSuccess"`
	}
	if readErr != nil || json.Unmarshal(body, &answer) != nil {
		return nil // it has them, whatever else it says
	}
	text := string(answer.PartialSuccess.RejectedSpans)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return fmt.Errorf("otlp: %s rejected %d spans", host, n)
	}
	return nil
}
