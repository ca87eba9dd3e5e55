package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// loop answers the requests of clients that were written for the Autobahn suite.
// It returns false for any other request.
func (rc *reception) loop(ctx context.Context, target string, v *visitor) bool {
	path, query, _ := strings.Cut(target, "?")
	q, _ := url.ParseQuery(query)
	switch path {
	case "/getCaseCount":
		rc.mu.Lock()
		rc.loops = true
		rc.mu.Unlock()
		rc.tell(ctx, v, text(strconv.Itoa(len(rc.cases))))
		return true
	case "/updateReports":
		rc.tell(ctx, v)
		rc.over()
		return true
	case "/runCase", "/getCaseInfo", "/getCaseStatus":
	default:
		return false
	}
	n, err := strconv.Atoi(q.Get("case"))
	if err != nil || n < 1 || n > len(rc.cases) {
		refuse(v.conn, fmt.Sprintf("case must be a number from 1 to %d", len(rc.cases)))
		return true
	}
	c := &rc.cases[n-1]
	switch path {
	case "/runCase":
		rc.playFor(ctx, n-1, v, q.Get("agent"))
	case "/getCaseInfo":
		rc.tellJSON(ctx, v, map[string]string{"id": c.ID, "description": c.Title + ". " + c.Rule})
	case "/getCaseStatus":
		rc.tellJSON(ctx, v, map[string]string{"behavior": rc.behavior(ctx, n-1)})
	}
	return true
}

// behavior is a verdict in the Autobahn suite's words. A client may see the end of
// a case before the case has its verdict; it is waited for.
func (rc *reception) behavior(ctx context.Context, i int) string {
	if rc.hasCome(i) {
		select {
		case <-rc.waiting[i]:
		case <-ctx.Done():
		}
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.results[i] == nil {
		return "MISSING"
	}
	return [...]string{
		Pass: "OK", NotStrict: "NON-STRICT", Fail: "FAILED", Unsupported: "UNIMPLEMENTED", Informational: "INFORMATIONAL",
	}[rc.results[i].Verdict]
}

func (rc *reception) tellJSON(ctx context.Context, v *visitor, m map[string]string) {
	b, _ := json.Marshal(m) // of strings: it cannot fail
	rc.tell(ctx, v, text(string(b)))
}

// tell accepts a connection, says something and closes.
func (rc *reception) tell(ctx context.Context, v *visitor, frames ...frame) {
	path, _, _ := strings.Cut(requestPath(firstLine(v.request.raw)), "?")
	c := &Case{ID: path, aside: true, play: func(s *session) {
		s.send(0, frames...)
		s.finish()
	}}
	rc.play(ctx, c, Client, v)
}
