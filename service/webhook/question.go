package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"time"
)

// head is what each request begins with.
type head struct {
	Event   Event  `json:"event"`
	ID      string `json:"id"`      // the same in all attempts
	At      string `json:"at"`      // when it happened
	Attempt int    `json:"attempt"` // from 1 on: no two requests are the same
}

// request is what is sent.
type request interface {
	top() *head
	misfit(a *answer) *failure // an answer that makes sense, but not for this question
}

func (h *head) top() *head              { return h }
func (h *head) misfit(*answer) *failure { return nil }

func newHead(e Event) head {
	return head{Event: e, ID: newID(), At: time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}
}

// retryWait is the least wait before a question is asked again; it doubles each time.
const retryWait = 100 * time.Millisecond

// ask asks the application. Its error is a *failure, or ctx's.
func (w *Webhook) ask(ctx context.Context, r request) (*answer, error) {
	e := r.top().Event
	n := w.count.of(e)
	n.asked.Add(1)
	a, err := w.tryAsk(ctx, r)
	var f *failure
	switch {
	case err == nil && a.refusal != nil:
		n.refused.Add(1)
	case errors.As(err, &f):
		n.failed.Add(1)
		w.complain.warn("webhook: the application gave no answer", e, f)
	}
	return a, err
}

func (w *Webhook) tryAsk(ctx context.Context, r request) (a *answer, err error) {
	if !w.begin() {
		return nil, errClosed
	}
	defer w.all.Done()
	defer w.underWay.Add(-1)
	n := w.count.of(r.top().Event)
	if w.underWay.Add(1) > int64(w.set.UnderWay) {
		n.skipped.Add(1)
		return nil, errFull
	}
	done, err := w.breaker.Allow()
	if err != nil {
		n.skipped.Add(1)
		return nil, errOpen
	}
	verdict := error(errPanic)
	start := time.Now()
	defer func() {
		n.latency.Add(int64(time.Since(start)))
		done(verdict)
		if to := w.turn.Swap(0); to != 0 {
			w.turned(to == turnedUp)
		}
	}()
	until, cancel := context.WithTimeout(ctx, w.set.Timeout)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	a, err = w.attempts(until, r)
	var f *failure
	switch {
	case err == nil:
		verdict = nil
	case ctx.Err() != nil:
		verdict, err = errGone, context.Cause(ctx)
	case w.ctx.Err() != nil:
		verdict, err = errGone, errClosed
	case errors.As(err, &f) && f.hard:
		verdict = nil
	default:
		verdict = err
	}
	return a, err
}

// attempts asks until there is an answer, or no sense in asking again.
func (w *Webhook) attempts(ctx context.Context, r request) (*answer, error) {
	for i := 0; ; i++ {
		body, f := w.send(ctx, r)
		if f == nil {
			a, err := parseAnswer(r.top().Event, body)
			if err != nil {
				return nil, err
			}
			if f := r.misfit(a); f != nil {
				return nil, f
			}
			return a, nil
		}
		wait := retryWait << i
		wait = wait/2 + rand.N(wait)
		if at, ok := ctx.Deadline(); !f.again || i >= w.set.Retries || ok && time.Until(at) <= wait {
			return nil, f
		}
		if !pause(ctx, wait) {
			return nil, f
		}
		w.count.of(r.top().Event).retried.Add(1)
	}
}

// pause waits, and reports whether ctx has let it.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send makes one attempt, and returns the body of an answer with status 200 and JSON. To something told, not asked, any
// 2xx will do, whatever is in it.
func (w *Webhook) send(ctx context.Context, r request) ([]byte, *failure) {
	h := r.top()
	h.Attempt++
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, &failure{reason: "request", detail: "it cannot be said in JSON", hard: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.set.URL, bytes.NewReader(body.Bytes()))
	if err != nil {
		return nil, &failure{reason: "request"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tidewire")
	sign(req.Header, w.keys, h.ID, time.Now(), body.Bytes())
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, failureOf(err)
	}
	defer resp.Body.Close()
	told := h.Event == Disconnect
	if resp.StatusCode != http.StatusOK && !(told && resp.StatusCode/100 == 2) {
		return nil, status(resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case told: // read so that the connection can be used again
		return nil, nil
	case err != nil:
		return nil, failureOf(err)
	case len(text) > maxAnswer:
		return nil, &failure{reason: "too large", detail: "the answer is longer than 64 KiB"}
	}
	if typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || typ != "application/json" {
		return nil, &failure{reason: "not understood", detail: "its Content-Type is not application/json"}
	}
	return text, nil
}
