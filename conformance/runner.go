package conformance

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Runner plays cases. Its zero value is ready for use; the fields must not
// change while a run is going on. A Runner may run several at once.
type Runner struct {
	// Parallel is how many cases run at once; 0 means 16.
	Parallel int
	// Heavy is how many of those may be cases that move megabytes; 0 means 3.
	Heavy int
	// Timeout bounds one case; 0 means 30 s.
	Timeout time.Duration
	// Patience is how long the runner waits while nothing moves in either direction;
	// 0 means 8 s.
	Patience time.Duration
	// Grace is how long a peer may take to fail a connection at once, in the cases
	// that ask for it; 0 means 500 ms.
	Grace time.Duration
	// MaxBytes bounds what one case takes in from the peer, and what one of the
	// peer's messages may inflate to; 0 means 40 MiB. All but the cases that move
	// megabytes have a smaller bound: 4 MiB, or four times Volume if that is more.
	MaxBytes int64
	// Volume is how many bytes a case of groups 12 and 13 sends before compression, in
	// 2 to 1000 messages; 0 means 1 MiB. Less than 1 MiB also makes 9.7 and 9.8
	// send fewer messages.
	Volume int
	// TLS configures wss:// and https:// targets, and the listeners of RunClient
	// and ServeClient, which speak TLS if it holds a certificate; nil means the defaults
	// of crypto/tls, and plain listeners.
	TLS *tls.Config
	// Dial makes the connections to a server under test; nil means TCP. TLS is
	// laid over them where the URL asks for it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Header is added to the handshakes sent to a server; nil means none.
	Header http.Header
	// FailFast begins no further case once one has failed.
	FailFast bool
	// Strict makes NotStrict count as failed for FailFast. It changes no verdict.
	Strict bool
	// Progress is called with each result as it comes, by one goroutine at a time;
	// nil means not at all.
	Progress func(Result)
}

func or[T int | int64 | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

func (r *Runner) timeout() time.Duration  { return or(r.Timeout, 30*time.Second) }
func (r *Runner) patience() time.Duration { return or(r.Patience, 8*time.Second) }
func (r *Runner) grace() time.Duration    { return or(r.Grace, 500*time.Millisecond) }
func (r *Runner) volume() int             { return or(r.Volume, 1<<20) }

// Result is what became of one case.
type Result struct {
	Case
	Role     Role   // of the peer
	Agent    string // what a client in Autobahn's loop calls itself; else empty
	Verdict  Verdict
	Reason   string // why it is no Pass; empty for most passes
	Request  []byte // the handshake's request and response as they were on the wire
	Response []byte
	Events   []Event // the first and the last ones
	Start    time.Time
	Duration time.Duration
}

// run is what the cases of one run share.
type run struct {
	r          *Runner
	host, path string
	dial       func(context.Context) (net.Conn, error)

	mu     sync.Mutex
	nonces map[string]string // Sec-WebSocket-Key to case ID
	twins  string            // two cases that came with the same key
	heavy  chan struct{}
	failed atomic.Bool // a case has failed
}

func (run *run) note(v Verdict) {
	if v == Fail || run.r.Strict && v == NotStrict {
		run.failed.Store(true)
	}
}

// enough tells whether no further case is to begin.
func (run *run) enough() bool { return run.r.FailFast && run.failed.Load() }

func (r *Runner) newRun() *run {
	return &run{r: r, nonces: make(map[string]string), heavy: make(chan struct{}, or(r.Heavy, 3))}
}

// RunServer plays the cases that the globs select (see Select) against the
// server at a ws, wss, http or https URL, and returns their results in the
// order of Cases. When ctx ends, the cases that are not over are left out. The error is
// about the URL or the globs, or ctx's; what the server does is in the results.
func (r *Runner) RunServer(ctx context.Context, target string, globs ...string) ([]Result, error) {
	cases, err := Select(Server, globs...)
	if err != nil {
		return nil, err
	}
	run := r.newRun()
	if err := run.aim(target); err != nil {
		return nil, err
	}
	results := make([]*Result, len(cases))
	next := make(chan int)
	var workers sync.WaitGroup
	var progress sync.Mutex
	for range or(r.Parallel, 16) {
		workers.Go(func() {
			for i := range next {
				if run.enough() {
					continue
				}
				res, whole := run.play(ctx, &cases[i], Server, nil)
				if !whole {
					continue
				}
				results[i] = &res
				run.note(res.Verdict)
				if r.Progress != nil {
					progress.Lock()
					r.Progress(res)
					progress.Unlock()
				}
			}
		})
	}
	for i := range cases {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	return collect(results), ctx.Err()
}

func collect(results []*Result) []Result {
	var all []Result
	for _, res := range results {
		if res != nil {
			all = append(all, *res)
		}
	}
	return all
}

// aim sets up the dialling of a URL.
func (run *run) aim(target string) error {
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	port := map[string]string{"ws": "80", "http": "80", "wss": "443", "https": "443"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return fmt.Errorf("conformance: %q is no ws, wss, http or https URL with a host", target)
	}
	run.host, run.path = u.Host, u.RequestURI()
	if p := u.Port(); p != "" {
		port = p
	}
	address := net.JoinHostPort(u.Hostname(), port)
	dial := run.r.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	run.dial = func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, run.r.patience())
		defer cancel()
		c, err := dial(ctx, "tcp", address)
		if err != nil || (u.Scheme != "wss" && u.Scheme != "https") {
			return c, err
		}
		config := &tls.Config{}
		if run.r.TLS != nil {
			config = run.r.TLS.Clone()
		}
		if config.ServerName == "" {
			config.ServerName = u.Hostname()
		}
		config.NextProtos = []string{"http/1.1"}
		t := tls.Client(c, config)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		return t, nil
	}
	return nil
}

// play plays one case. For a client under test, visit is its connection. ok is
// false if the end of the whole run may be what made it fail: then nothing can be said of the peer.
func (run *run) play(whole context.Context, c *Case, role Role, visit *visitor) (res Result, ok bool) {
	if c.heavy {
		run.heavy <- struct{}{}
		defer func() { <-run.heavy }()
	}
	ctx, cancel := context.WithTimeout(whole, run.r.timeout())
	defer cancel()
	start := time.Now()
	s := &session{
		r: run.r, run: run, c: c, role: role, ctx: ctx,
		log: &transcript{start: start},
		rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	out := s.playCase(visit)
	ok = out.verdict == Pass || whole.Err() == nil
	if ok && !c.aside {
		run.note(out.verdict) // before the peer can see the end of the case and come for the next one
	}
	s.end()
	s.deflate.release()
	return Result{
		Case: *c, Role: role, Verdict: out.verdict, Reason: out.reason,
		Request: s.request.raw, Response: s.response.raw,
		Events: s.log.events(), Start: start, Duration: time.Since(start),
	}, ok
}

func (s *session) playCase(visit *visitor) (out outcome) {
	defer func() {
		if p := recover(); p != nil {
			var ok bool
			if out, ok = p.(outcome); !ok {
				panic(p)
			}
		}
		if out.verdict == Pass && len(s.lax) > 0 {
			out = outcome{NotStrict, strings.Join(s.lax, "; ")}
		}
		out.reason = printable(out.reason)
	}()
	if visit != nil {
		s.greet(visit)
	}
	if !s.c.manual {
		if s.role == Server {
			s.open()
		} else {
			s.accept()
		}
	}
	s.c.play(s)
	return outcome{}
}
