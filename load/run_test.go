package load_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/load"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server whose connections run f.
func serve(t testing.TB, f func(context.Context, *ws.Conn) error) string {
	t.Helper()
	s := httptest.NewServer(handler(f))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/"
}

func handler(f func(context.Context, *ws.Conn) error) http.Handler {
	return ws.HTTPHandler(f, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{MaxMessage: load.MaxSize}})
}

func echo(ctx context.Context, c *ws.Conn) error {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if err := c.Write(ctx, m.Type, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// run plays a short plan, and a longer one where the machine is so busy that nothing came within that.
func run(t testing.TB, p load.Plan) *load.Report {
	t.Helper()
	if p.Duration == 0 {
		p.Duration = 200 * time.Millisecond
	}
	if p.Timeout == 0 {
		p.Timeout = 30 * time.Second
	}
	for {
		r, err := load.Run(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK() || r.Received > 0 || r.Scenario == load.Idle || p.Duration > 10*time.Second {
			return r
		}
		p.Duration *= 4
	}
}

func clean(t testing.TB, r *load.Report) {
	t.Helper()
	if !r.OK() || r.Received == 0 && r.Scenario != load.Idle {
		t.Errorf("%s: %d received, %d lost, errors %v", r.Scenario, r.Received, r.Lost, r.Errors)
	}
}

// What a server was sent is in the report to the last message, also when the generator came late to the end of its time.
func TestAllThatIsSentIsCounted(t *testing.T) {
	var came atomic.Int64
	url := serve(t, func(ctx context.Context, c *ws.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			came.Add(1)
			if err := c.Write(ctx, m.Type, m.Data); err != nil {
				return err
			}
		}
		return nil
	})
	more := func(load.Window) { // more has come than was under way
		for seen := came.Load(); came.Load() <= seen+4; {
			runtime.Gosched()
		}
	}
	r := run(t, load.Plan{URL: url, Connections: 4, Duration: 20 * time.Millisecond, Progress: more})
	clean(t, r)
	if r.SentLate == 0 || r.Sent+r.SentLate != came.Load() {
		t.Errorf("%d and %d late, and %d came", r.Sent, r.SentLate, came.Load())
	}
}

func TestEcho(t *testing.T) {
	url := serve(t, echo)
	for name, p := range map[string]load.Plan{
		"one":       {},
		"many":      {Connections: 64},
		"pipelined": {Connections: 8, Depth: 32},
		"text":      {Connections: 4, Text: true},
		"sizes":     {Connections: 4, Depth: 4, Sizes: load.Sizes{{0, 1}, {3, 1}, {125, 2}, {126, 1}, {70000, 1}}},
		"large":     {Connections: 2, Depth: 3, Sizes: load.Sizes{{1 << 20, 1}}},
		"open":      {Connections: 16, Rate: 2000},
		"ramp":      {Connections: 16, Ramp: 50 * time.Millisecond, Warmup: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p.URL = url
			r := run(t, p)
			clean(t, r)
			if r.Opened != int64(max(1, p.Connections)) || r.Handshake.Count != r.Opened {
				t.Errorf("%d opened, %d handshakes", r.Opened, r.Handshake.Count)
			}
			if r.Latency.Count != r.Received || r.Latency.P50 <= 0 || r.Latency.Max < r.Latency.P99 || len(r.Latency.Curve) < 2 {
				t.Errorf("latency: %+v", r.Latency)
			}
			if r.Service.Count != r.Latency.Count || r.Service.P50 > r.Latency.P50 {
				t.Errorf("service: %+v", r.Service)
			}
			if (r.Lag.Count > 0) != (p.Rate > 0) {
				t.Errorf("lag: %+v", r.Lag)
			}
			var sum int64
			for _, w := range r.Windows {
				if !w.Warmup {
					sum += w.Received
				}
			}
			if sum != r.Received {
				t.Errorf("the windows add up to %d, the run to %d", sum, r.Received)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(handler(echo))
	defer s.Close()
	url := "wss" + strings.TrimPrefix(s.URL, "https")
	clean(t, run(t, load.Plan{URL: url, Connections: 8, Depth: 4, TLS: &tls.Config{InsecureSkipVerify: true}, Sizes: load.Sizes{{10, 1}, {100_000, 1}}}))
	if _, err := load.Run(context.Background(), load.Plan{URL: url}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// newBroadcast sends each message to every connection, and then calls each.
func newBroadcast(each func(from *ws.Conn, all map[*ws.Conn]bool)) func(context.Context, *ws.Conn) error {
	var mu sync.Mutex
	all := map[*ws.Conn]bool{}
	return func(ctx context.Context, c *ws.Conn) error {
		mu.Lock()
		all[c] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			delete(all, c)
			mu.Unlock()
		}()
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			mu.Lock()
			for to := range all {
				to.Write(ctx, m.Type, m.Data)
			}
			if each != nil {
				each(c, all)
			}
			mu.Unlock()
		}
		return nil
	}
}

func TestFanout(t *testing.T) {
	url := serve(t, newBroadcast(nil))
	for _, depth := range []int{1, 16} {
		r := run(t, load.Plan{URL: url, Scenario: load.Fanout, Connections: 50, Depth: depth})
		clean(t, r)
		if r.Received < 25*r.Sent {
			t.Errorf("%d messages to 50 connections came %d times", r.Sent, r.Received)
		}
	}
}

// In a fan-out as well, an open loop sends what is due while a message has not come to everybody.
func TestFanoutAtARate(t *testing.T) {
	for _, c := range []load.Compression{"", load.Takeover} {
		url := serveCompressed(t, deflate.Options{}, newBroadcast(nil))
		r := run(t, load.Plan{URL: url, Scenario: load.Fanout, Connections: 8, Rate: 20, Duration: time.Second, Compression: c})
		clean(t, r)
		if r.Sent == 0 || r.Sent > r.Lag.Count || r.Received < 2*r.Sent || r.Lag.Count == 0 || r.Service.Count != r.Latency.Count || r.Service.Mean >= r.Latency.Mean {
			t.Errorf("%d sent, %d received, service %v, latency %v", r.Sent, r.Received, r.Service, r.Latency)
		}
	}
	deaf := serve(t, func(ctx context.Context, c *ws.Conn) error {
		for range c.Messages(ctx) {
		}
		return nil
	})
	r := run(t, load.Plan{URL: deaf, Scenario: load.Fanout, Connections: 3, Rate: 1e6, Duration: time.Hour, Timeout: time.Minute})
	if r.Errors["10000 messages had not come to everybody"] != 1 || r.Lost != 20_000 {
		t.Errorf("%d lost, errors %v", r.Lost, r.Errors)
	}
}

func TestUpgrade(t *testing.T) {
	r := run(t, load.Plan{URL: serve(t, echo), Scenario: load.Upgrade, Connections: 4})
	clean(t, r)
	if r.Received > r.Opened || r.Seconds < 0.15 {
		t.Errorf("%d made of %d opened in %f s", r.Received, r.Opened, r.Seconds)
	}
}

func TestIdle(t *testing.T) {
	r := run(t, load.Plan{URL: serve(t, echo), Scenario: load.Idle, Connections: 200})
	clean(t, r)
	if w := r.Windows[len(r.Windows)-1]; w.Open != 200 || w.Received != 0 {
		t.Errorf("%+v", w)
	}
}

// In a server that stalls once, an open loop finds everybody who would have come; a closed
// loop finds the one who was there.
func TestOpenLoopSeesAStall(t *testing.T) {
	const stall = 400 * time.Millisecond
	var once sync.Once
	url := serve(t, func(ctx context.Context, c *ws.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return err
			}
			once.Do(func() { time.Sleep(stall) }) // the fault itself
			c.Write(ctx, m.Type, m.Data)
		}
		return nil
	})
	r := run(t, load.Plan{URL: url, Rate: 500, Duration: time.Second})
	clean(t, r)
	// About 200 of 500 messages were due while the server stood still, each of them late by
	// what was left of the stall: a tenth of all by more than 300 ms.
	if p90 := time.Duration(r.Latency.P90); p90 < stall/3 {
		t.Errorf("p90 is %v", p90)
	}
}

func TestServerCPU(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // the option is refused there: see TestBadPlans
	}
	r := run(t, load.Plan{URL: serve(t, echo), PID: os.Getpid()})
	if r.ServerCPU <= 0 || r.CPU <= 0 || r.ServerCPU > 2*r.CPU {
		t.Errorf("CPU %f s and %f s of the same process", r.CPU, r.ServerCPU)
	}
}

func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	p := load.Plan{URL: serve(t, echo), Duration: time.Hour, Timeout: 30 * time.Second}
	p.Progress = func(load.Window) { stop() }
	r, err := load.Run(ctx, p)
	if err != nil || !r.Stopped || len(r.Errors) > 0 || r.Received == 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// While a ramp goes on, every second is shown, and none of them counts.
func TestRampIsShown(t *testing.T) {
	var lines []string
	r := run(t, load.Plan{URL: serve(t, echo), Connections: 12, Ramp: 2500 * time.Millisecond, Progress: func(w load.Window) { lines = append(lines, w.String()) }})
	clean(t, r)
	if len(lines) < 3 || len(lines) != len(r.Windows) || !strings.Contains(lines[0], " open, no errors (connecting)") || strings.Contains(lines[len(lines)-1], "connecting") {
		t.Errorf("%q", lines)
	}
	if w := r.Windows[0]; !w.Connecting || !w.Warmup || w.Received != 0 || w.Open == 0 || r.Windows[1].Open < w.Open {
		t.Errorf("%+v", r.Windows)
	}
}

func TestBadPlans(t *testing.T) {
	for want, p := range map[string]load.Plan{
		"no ws or wss URL":       {URL: "http://127.0.0.1/"},
		"missing protocol":       {URL: ":"},
		`no scenario "dance"`:    {URL: "ws://x", Scenario: "dance"},
		"a rate of -1":           {URL: "ws://x", Rate: -1},
		"is for the scenario":    {URL: "ws://x", Rate: 1, Scenario: load.Idle},
		"is negative":            {URL: "ws://x", Ramp: -1},
		"the size -1":            {URL: "ws://x", Sizes: load.Sizes{{-1, 1}}},
		"too few for 1 rooms":    {URL: "ws://x", Scenario: load.Live, Connections: 3, Stalled: 3},
		"are for the scenario l": {URL: "ws://x", Rooms: 3},
		"no compression in the ": {URL: "ws://x", Scenario: load.Live, Compression: load.Takeover},
		"has at least 16 bytes ": {URL: "ws://x", Scenario: load.Live, Sizes: load.Sizes{{15, 1}}},
		"depth of 128 at most":   {URL: "ws://x", Scenario: load.Fanout, Depth: 129},
		`compression "zip"`:      {URL: "ws://x", Compression: "zip"},
		"cannot hold the size 1": {URL: "ws://x", Compression: load.Takeover, Sizes: load.Sizes{{1, 1}, {1000, 1e9}}},
		"clock of":               {URL: "ws://x", PID: 1 << 30},
		"no connection: connec":  {URL: "ws://127.0.0.1:1/"},
	} {
		if _, err := load.Run(context.Background(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

func TestParseSizes(t *testing.T) {
	for s, want := range map[string]string{"125": "125", "16:70, 1024:25,65536:5": "16:70,1024:25,65536:5", "0": "0", "1,2": "1:1,2:1"} {
		if got, err := load.ParseSizes(s); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", "-1", "x", "1:", "1:0", "1:-2", "1:NaN", "1:Inf", "999999999999", "1,,2"} {
		if got, err := load.ParseSizes(bad); err == nil {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

// A program may look at the server while the connections idle, before the first message and after the last.
func TestOpenedAndSettled(t *testing.T) {
	url := serve(t, echo)
	for _, scenario := range []load.Scenario{load.Echo, load.Idle} {
		var order []string
		r := run(t, load.Plan{
			URL: url, Scenario: scenario, Connections: 8,
			Opened: func() { order = append(order, "opened") },
			Progress: func(w load.Window) {
				if !w.Connecting {
					order = append(order, "window")
				}
			},
			Settled: func() { order = append(order, "settled") },
		})
		clean(t, r)
		if got := strings.Join(order, " "); got != "opened window settled" {
			t.Errorf("%s: %s", scenario, got)
		}
	}
}
