package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far from now the time in a request may be, before and after.
const Tolerance = 5 * time.Minute

// The errors of Verify and of a Guard.
var (
	ErrSignature = errors.New("webhook: the signature is missing or is none of our secrets'")
	ErrTime      = errors.New("webhook: the request's time is not now (Tolerance)")
	ErrReplay    = errors.New("webhook: this very request was there before")
)

// The headers of the Standard Webhooks, as net/http writes them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

const (
	maxID         = 128 // bytes
	maxSignatures = 16  // in one header
)

// mac returns the signature of a request.
func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

// sign sets the headers of a request with a signature for each key.
func sign(h http.Header, keys [][]byte, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	var all []string
	for _, key := range keys {
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac(key, id, timestamp, body)))
	}
	h.Set(headerID, id)
	h.Set(headerTimestamp, timestamp)
	h.Set(headerSignature, strings.Join(all, " "))
}

// Verify checks a request's headers and its whole body, in a receiver: it was signed with one of the secrets, within Tolerance of now. It
// returns the request's id. A question that is asked again has the same id; so has a replay, which a [Guard] tells apart. Errors are
// ErrSignature and ErrTime, or tell of secrets that are none.
func Verify(header http.Header, body []byte, now time.Time, secrets ...string) (id string, err error) {
	keys, err := keysOf(secrets)
	if err != nil {
		return "", fmt.Errorf("webhook: Verify: %w", err)
	}
	id, _, err = verify(header, body, now, keys)
	return id, err
}

func verify(header http.Header, body []byte, now time.Time, keys [][]byte) (id string, at int64, err error) {
	id, timestamp := header.Get(headerID), header.Get(headerTimestamp)
	at, err = strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || len(id) > maxID || strings.Contains(id, ".") { // a dot would let id and time be cut elsewhere
		return "", 0, ErrSignature
	}
	signatures := strings.SplitN(header.Get(headerSignature), " ", maxSignatures+1)
	good := false
	for _, key := range keys {
		want := mac(key, id, timestamp, body)
		for _, one := range signatures[:min(len(signatures), maxSignatures)] {
			text, ok := strings.CutPrefix(one, "v1,")
			got, err := base64.StdEncoding.DecodeString(text)
			good = good || ok && err == nil && hmac.Equal(got, want)
		}
	}
	if !good {
		return "", 0, ErrSignature
	}
	if off := now.Sub(time.Unix(at, 0)); off > Tolerance || off < -Tolerance {
		return "", 0, ErrTime
	}
	return id, at, nil
}
