package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// visitor is a connection of a client under test whose request has been read.
type visitor struct {
	conn    *wire
	br      *bufio.Reader
	request head
	err     error // of reading the request
}

// greet takes a visitor's connection over and keeps its nonce.
func (s *session) greet(v *visitor) {
	s.wire, s.br, s.request = v.conn, v.br, v.request
	s.guard()
	s.log.add(Received, len(v.request.raw), v.request.raw, firstLine(v.request.raw))
	if v.err != nil {
		s.failf("the request: %v", v.err)
	}
	if key, err := s.request.only("Sec-WebSocket-Key"); err == nil {
		if other := s.run.keep(key, s.c.ID); other != "" {
			s.notef("the same Sec-WebSocket-Key came in %s", other)
		}
	}
}

// mostNonces bounds the keys that a run remembers: a client may come as often as it likes.
const mostNonces = 1 << 14

// keep remembers a case's key, and returns another case that came with it.
func (run *run) keep(key, id string) (other string) {
	run.mu.Lock()
	defer run.mu.Unlock()
	other, seen := run.nonces[key]
	switch {
	case !seen && len(run.nonces) < mostNonces && len(key) <= 64:
		run.nonces[strings.Clone(key)] = id // without the rest of the request
	case seen && other != id:
		run.twins = other + " and " + id
		return other
	}
	return ""
}

// ServeClient tests a client that drives itself. It accepts connections on
// ln, which it closes in the end, and plays the case whose ID the path names: /case/5.3.
// It also speaks the protocol that clients written for the Autobahn suite loop through:
// /getCaseCount answers with the number of cases, /runCase?case=N&agent=A plays the N-th
// of them, counted from 1, /getCaseInfo?case=N and /getCaseStatus?case=N&agent=A tell what
// it is and how it went, and /updateReports ends the run.
//
// ServeClient returns when every selected case has been played (a client that asked
// for their number ends the run itself), after /updateReports, after a failure with FailFast, or when ctx has ended.
// The results are in the order of Cases; cases that were not played are missing, and of one that was played
// twice the later result stands. The error is about the globs or ln, or ctx's.
func (r *Runner) ServeClient(ctx context.Context, ln net.Listener, globs ...string) ([]Result, error) {
	cases, err := Select(Client, globs...)
	if err != nil {
		ln.Close()
		return nil, err
	}
	return r.serve(ctx, ln, cases, nil)
}

// RunClient tests a client that can be called. For each case it calls connect,
// several at once, with the URL to dial. connect should dial it, echo until the connection ends,
// and return; its error is only noted, for there are cases that no client may accept.
// Its ctx ends when the case is over; it must return then.
//
// It listens on ln, or on a loopback port if ln is nil, and closes it. Results
// and error are those of ServeClient.
func (r *Runner) RunClient(ctx context.Context, ln net.Listener, connect func(ctx context.Context, url string) error, globs ...string) ([]Result, error) {
	cases, err := Select(Client, globs...)
	if ln == nil && err == nil {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		if ln != nil {
			ln.Close()
		}
		return nil, err
	}
	return r.serve(ctx, ln, cases, connect)
}

// reception is one run with clients.
type reception struct {
	*run
	cases   []Case
	index   map[string]int
	mu      sync.Mutex
	results []*Result
	waiting map[int]chan struct{} // closed when a case has its result
	came    map[int]bool          // the client has asked for the case
	left    int
	calls   bool // callAll ends the run
	loops   bool // the client asked for the number of cases: /updateReports ends the run
	over    context.CancelFunc
}

func (r *Runner) serve(ctx context.Context, ln net.Listener, cases []Case, connect func(context.Context, string) error) ([]Result, error) {
	scheme := "ws"
	if r.TLS != nil && (len(r.TLS.Certificates) > 0 || r.TLS.GetCertificate != nil) {
		ln, scheme = tls.NewListener(ln, r.TLS), "wss"
	}
	inner, over := context.WithCancel(ctx)
	defer over()
	rc := &reception{
		run: r.newRun(), cases: cases, index: make(map[string]int), results: make([]*Result, len(cases)),
		waiting: make(map[int]chan struct{}), came: make(map[int]bool), left: len(cases), over: over, calls: connect != nil,
	}
	for i, c := range cases {
		rc.index[c.ID] = i
		rc.waiting[i] = make(chan struct{})
	}
	stop := context.AfterFunc(inner, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	var group sync.WaitGroup
	if connect != nil {
		group.Go(func() { rc.callAll(inner, scheme+"://"+ln.Addr().String(), connect) })
	}
	seats := make(chan struct{}, 4*or(r.Parallel, 16))
	var failed error
	for {
		c, err := ln.Accept()
		if err != nil {
			if inner.Err() == nil {
				failed = fmt.Errorf("conformance: %w", err)
			}
			break
		}
		seats <- struct{}{}
		group.Go(func() {
			defer func() { <-seats }()
			defer c.Close()
			rc.receive(ctx, c)
		})
	}
	over()
	group.Wait()
	if i, ok := rc.index[keyCase]; ok && rc.results[i] != nil {
		rc.judgeKeys(rc.results[i])
		if r.Progress != nil {
			r.Progress(*rc.results[i])
		}
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return collect(rc.results), failed
}

// callAll calls connect for each case and then ends the run.
func (rc *reception) callAll(ctx context.Context, base string, connect func(context.Context, string) error) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range or(rc.r.Parallel, 16) {
		workers.Go(func() {
			for i := range next {
				if rc.enough() {
					continue
				}
				rc.call(ctx, i, base, connect)
			}
		})
	}
	for i := range rc.cases {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	rc.over()
}

func (rc *reception) call(whole context.Context, i int, base string, connect func(context.Context, string) error) {
	c := &rc.cases[i]
	ctx, cancel := context.WithTimeout(whole, 2*rc.r.timeout())
	defer cancel()
	done := make(chan error, 1)
	start := time.Now()
	go func() { done <- connect(ctx, base+"/case/"+c.ID) }()
	var err error
	select {
	case <-rc.waiting[i]:
		// The case is over; the client notices that its connection has ended.
		t := time.NewTimer(rc.r.patience())
		select {
		case err = <-done:
		case <-t.C:
			cancel()
			err = <-done
		}
		t.Stop()
	case err = <-done:
		// It may have left before the case saw the end, or even its beginning. One
		// that failed and has not been seen by now is not expected any more.
		wait := rc.r.patience()
		if err != nil {
			wait = min(wait, 2*time.Second)
		}
		t := time.NewTimer(wait)
		select {
		case <-rc.waiting[i]:
		case <-ctx.Done():
		case <-t.C:
			if rc.hasCome(i) {
				select { // the case bounds itself
				case <-rc.waiting[i]:
				case <-ctx.Done():
				}
			}
		}
		t.Stop()
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.results[i] == nil {
		if whole.Err() != nil || rc.enough() && !rc.came[i] {
			return
		}
		rc.set(i, Result{Case: *c, Role: Client, Verdict: Fail, Start: start, Duration: time.Since(start),
			Reason: fmt.Sprintf("the client did not come: %v", err)})
	} else if err != nil {
		res := rc.results[i]
		res.Events = append(res.Events, Event{At: time.Since(start), Dir: Noted, Text: "the client says: " + err.Error()})
	}
}

// set keeps a result. rc.mu is held.
func (rc *reception) set(i int, res Result) {
	if rc.results[i] == nil {
		rc.left--
		close(rc.waiting[i])
	}
	rc.results[i] = &res
	rc.note(res.Verdict)
	if rc.r.Progress != nil && res.ID != keyCase {
		rc.r.Progress(res)
	}
}

// receive reads one client's request and plays what it asks for.
func (rc *reception) receive(ctx context.Context, c net.Conn) {
	w := newWire(c)
	v := &visitor{conn: w, br: bufio.NewReaderSize(w, 32<<10)}
	c.SetDeadline(time.Now().Add(rc.r.patience()))
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	v.request, v.err = readHead(v.br)
	if len(v.request.raw) == 0 {
		return // a connection that was opened and not used
	}
	path := requestPath(firstLine(v.request.raw))
	switch {
	case strings.HasPrefix(path, "/case/"):
		i, ok := rc.index[strings.TrimPrefix(path, "/case/")]
		if !ok {
			refuse(c, "there is no such case")
			return
		}
		rc.playFor(ctx, i, v, "")
	case rc.loop(ctx, path, v):
	default:
		refuse(c, "ask for /case/ID")
	}
}

// requestPath takes the path out of a request line, of the absolute form as well.
func requestPath(line string) string {
	_, rest, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	if _, after, ok := strings.Cut(target, "://"); ok {
		if i := strings.IndexByte(after, '/'); i >= 0 {
			return after[i:]
		}
	}
	return target
}

func refuse(c net.Conn, why string) {
	fmt.Fprintf(c, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s\n", len(why)+1, why)
}

func (rc *reception) hasCome(i int) bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return rc.came[i]
}

func (rc *reception) playFor(ctx context.Context, i int, v *visitor, agent string) {
	if rc.enough() {
		refuse(v.conn, "a case has failed, and the run is over")
		return
	}
	rc.mu.Lock()
	rc.came[i] = true
	rc.mu.Unlock()
	res, whole := rc.play(ctx, &rc.cases[i], Client, v)
	res.Agent = agent
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if !whole {
		return
	}
	rc.set(i, res)
	if !rc.calls && (rc.left == 0 && !rc.loops || rc.enough()) {
		rc.over()
	}
}
