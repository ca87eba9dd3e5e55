package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	batch     = 200     // messages in a request; the API takes 1000
	batchSize = 3 << 20 // bytes of their data; the API takes 4 MiB
)

// Relay publishes what is in an Outbox.
type Relay struct {
	Outbox Outbox
	URL    string // of POST /api/publish
	Key    string
	Client *http.Client // its Timeout is longer than the 10 s that the API may take
	Every  time.Duration
	Log    *slog.Logger
}

// Run publishes until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		n, again, err := r.Once(ctx)
		switch {
		case err != nil || again > 0:
			// As long as was said, or twice as long as the last time: 0.5 s to 30 s.
			wait = max(again, min(max(2*wait, time.Second/2), 30*time.Second))
			if err != nil && ctx.Err() == nil {
				r.Log.Warn("The outbox waits", "err", err, "wait", wait)
			}
		case n > 0:
			wait = 0
		default:
			wait = r.Every
		}
	}
}

// Once publishes a batch, and returns how many rows are done: sent or given up. When some are to be tried again, again is how long
// to wait for that. What it publishes and does not come to mark is published again, with the same mid, which is stored once.
func (r *Relay) Once(ctx context.Context) (n int, again time.Duration, err error) {
	rows, end, err := r.Outbox.Claim(ctx, batch)
	if err != nil {
		return 0, 0, err
	}
	if len(rows) == 0 {
		return 0, 0, end(Outcome{})
	}
	size := 0
	for i, row := range rows {
		if size += len(row.Data); i > 0 && size > batchSize {
			rows = rows[:i]
			break
		}
	}
	results, err := r.publish(ctx, rows)
	if err != nil {
		end(Outcome{})
		return 0, 0, err
	}
	o := Outcome{Given: map[int64]string{}}
	for i, result := range results {
		switch e := result.Error; {
		case e == nil:
			o.Sent = append(o.Sent, rows[i].ID)
		case e.Retryable || e.Code == "internal":
			// "aborted" too: the one before it to this room has failed, and comes first the next time.
			again = max(again, time.Duration(e.RetryAfter)*time.Millisecond, time.Second/2)
		default:
			// It will never be taken, and would hold up its room for ever.
			r.Log.Error("A message is given up", "id", rows[i].ID, "room", rows[i].Room, "code", e.Code, "message", e.Message)
			o.Given[rows[i].ID] = e.Code
		}
	}
	return len(o.Sent) + len(o.Given), again, end(o)
}

type result struct {
	Error *struct {
		Code, Message string
		Retryable     bool
		RetryAfter    int64
	}
}

// publish sends rows in one request.
func (r *Relay) publish(ctx context.Context, rows []Row) ([]result, error) {
	type message struct {
		Room string          `json:"room"`
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
		Mid  string          `json:"mid"`
	}
	var body struct {
		Messages []message `json:"messages"`
	}
	for _, row := range rows {
		body.Messages = append(body.Messages, message{row.Room, row.Type, row.Data, "outbox-" + strconv.FormatInt(row.ID, 10)})
	}
	p, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(p))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API: %s %s", resp.Status, strings.TrimSpace(string(text)))
	}
	var answer struct{ Results []result }
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(rows) {
		return nil, fmt.Errorf("the API: %d results of %d messages", len(answer.Results), len(rows))
	}
	return answer.Results, nil
}
