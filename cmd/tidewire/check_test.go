package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// check runs the command until it ends by itself.
func check(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var out, err bytes.Buffer
	code = exitCode(run(ctx, append([]string{"check"}, args...), stdio{strings.NewReader(""), &out, &err}))
	if ctx.Err() != nil {
		t.Fatalf("it went on and on: %s", err.String())
	}
	return code, out.String(), err.String()
}

func TestCheckServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("run", func(t *testing.T) {
		url := "ws://" + serve(t).host + "/echo"
		dir := t.TempDir()
		page, junit, data := filepath.Join(dir, "r.html"), filepath.Join(dir, "r.xml"), filepath.Join(dir, "r.json")
		code, stdout, stderr := check(t, url, "--only=[1-7].*,26.*", "--skip=6.22.*", "--html", page, "--junit", junit, "--json", data)
		if code != exitDone || stderr != "" {
			t.Errorf("exit status %d: %s", code, stderr)
		}
		if !regexp.MustCompile(`(?s)^group .*\n 6 UTF-8 +111 +0 +0 +0 +0 .*\n\d+ pass, 0 not strict, 0 fail, 0 unsupported, 2 informational, in \S+s\n$`).MatchString(stdout) {
			t.Errorf("it printed %s", stdout)
		}
		if b, err := os.ReadFile(page); err != nil || !bytes.Contains(b, []byte("Every case was played and none failed.")) {
			t.Errorf("the page: %v, %d bytes", err, len(b))
		}
		var suites struct {
			Failures int `xml:"failures,attr"`
			Tests    int `xml:"tests,attr"`
		}
		b, err := os.ReadFile(junit)
		if err == nil {
			err = xml.Unmarshal(b, &suites)
		}
		if err != nil || suites.Tests < 200 || suites.Failures != 0 {
			t.Errorf("JUnit: %+v, %v", suites, err)
		}
		var all struct {
			OK    bool
			Cases []struct{ ID, Verdict string }
		}
		if b, err = os.ReadFile(data); err == nil {
			err = json.Unmarshal(b, &all)
		}
		if err != nil || !all.OK || len(all.Cases) != suites.Tests {
			t.Errorf("JSON: %d cases, %v", len(all.Cases), err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 3 {
			t.Errorf("files: %v", left)
		}
	})
}

// shouting serves an echo in capital letters that does not look at UTF-8 either.
func shouting(t *testing.T) string {
	ln := listenLoopback(t)
	srv := &http.Server{Handler: ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		for m, err := range c.Messages(ctx) {
			if err != nil || c.Write(ctx, m.Type, bytes.ToUpper(m.Data)) != nil {
				return err
			}
		}
		return nil
	}, nil)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return "ws://" + ln.Addr().String() + "/"
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestCheckFindsFaults(t *testing.T) {
	url := shouting(t)
	page := filepath.Join(t.TempDir(), "r.html")
	code, stdout, stderr := check(t, url, "--only=1.1.[12],12.1.1", "--html", page, "-v")
	if code != exitNonconforming || stderr != "tidewire: the implementation does not conform\n" {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	for _, want := range []string{
		"case 1.1.2: ", "00000000  81 ", "\nfail          1.1.2    ", "\nunsupported   12.1.1   ",
		"case 1.1.1: ", // with --only, -v shows what passed too
		"\n1 pass, 0 not strict, 1 fail, 1 unsupported, 0 informational, in ",
	} {
		if !strings.Contains("\n"+stdout, want) {
			t.Errorf("it lacks %q:\n%s", want, stdout)
		}
	}
	if b, err := os.ReadFile(page); err != nil || !bytes.Contains(b, []byte("Not everything passed.")) {
		t.Errorf("the page: %v", err)
	}
	if code, stdout, _ := check(t, url, "--fail-fast", "--parallel=1", "--only=1.*"); code != exitNonconforming || !strings.Contains(stdout, ", 14 not played") {
		t.Errorf("--fail-fast: exit status %d:\n%s", code, stdout)
	}
}

// A check that is stopped says what it knows.
func TestCheckStopped(t *testing.T) {
	reached := make(chan struct{}, 1000)
	url := shouting(t)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		<-reached
		stop()
	}()
	var out, errs bytes.Buffer
	page := filepath.Join(t.TempDir(), "r.json")
	proxy := relay(t, strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/"), func(n int) {
		if n == 20 {
			reached <- struct{}{}
		}
	})
	err := run(ctx, []string{"check", "ws://" + proxy + "/", "--parallel=2", "--json", page}, stdio{strings.NewReader(""), &out, &errs})
	if exitCode(err) != exitFailed || !strings.Contains(errs.String(), "stopped before the end") || !strings.Contains(out.String(), " not played, in ") {
		t.Errorf("%v: %s\n%s", err, errs.String(), out.String())
	}
	if _, err := os.Stat(page); err != nil {
		t.Error(err)
	}
}

// relay passes connections on and tells how many there have been.
func relay(t *testing.T, target string, each func(n int)) string {
	ln := listenLoopback(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			each(n)
			up, err := net.Dial("tcp", target)
			if err != nil {
				c.Close()
				continue
			}
			go func() { io.Copy(up, c); up.Close() }()
			go func() { io.Copy(c, up); c.Close() }()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// listening starts a check of clients and returns its URL, and what becomes of it.
func listening(t *testing.T, args ...string) (url string, ended <-chan int, stdout, stderr *bytes.Buffer) {
	t.Helper()
	r, w := io.Pipe()
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	done := make(chan int, 1)
	go func() {
		code := exitCode(run(context.Background(), append([]string{"check", "--listen=127.0.0.1:0"}, args...), stdio{strings.NewReader(""), w, stderr}))
		w.Close()
		done <- code
	}()
	first := make(chan string, 1)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		buf := make([]byte, 4096)
		for sent := false; ; {
			n, err := r.Read(buf)
			stdout.Write(buf[:n])
			if m := regexp.MustCompile(`(wss?://\S+/)case/ID`).FindSubmatch(stdout.Bytes()); m != nil && !sent {
				first <- string(m[1])
				sent = true
			}
			if err != nil {
				if !sent {
					close(first)
				}
				return
			}
		}
	}()
	both := make(chan int, 1)
	go func() {
		code := <-done
		<-copied
		both <- code
	}()
	url, ok := <-first
	if !ok {
		t.Fatalf("it did not listen: %s", stderr)
	}
	return url, both, stdout, stderr
}

// echoUntilEnd dials and echoes until the connection ends.
func echoUntilEnd(t *testing.T, url string) (heard []string) {
	t.Helper()
	ctx := context.Background()
	c, _, err := ws.Dial(ctx, url, &ws.DialOptions{ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}}})
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return nil
	}
	defer c.CloseNow()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			return heard
		}
		if heard = append(heard, string(p)); strings.Contains(url, "ase/") || strings.Contains(url, "runCase") {
			c.Write(ctx, typ, p)
		}
	}
}

func TestCheckClient(t *testing.T) {
	url, ended, stdout, stderr := listening(t, "--only=1.1.[123],5.3")
	for _, id := range []string{"1.1.1", "1.1.2", "1.1.3", "5.3"} {
		echoUntilEnd(t, url+"case/"+id)
	}
	if code := <-ended; code != exitDone || !strings.Contains(stdout.String(), "\n4 pass, ") || stderr.Len() > 0 {
		t.Errorf("exit status %d: %s\n%s", code, stderr, stdout)
	}
}

// The loop of a client that was written for the Autobahn suite.
func TestCheckClientOfAutobahn(t *testing.T) {
	data := filepath.Join(t.TempDir(), "r.json")
	url, ended, stdout, stderr := listening(t, "--only=2.*", "--json", data)
	count := echoUntilEnd(t, url+"getCaseCount")
	if len(count) != 1 || count[0] != "11" {
		t.Fatalf("the number of cases is %q", count)
	}
	for n := 1; n <= 11; n++ {
		echoUntilEnd(t, fmt.Sprintf("%srunCase?case=%d&agent=our%%20client", url, n))
		if status := echoUntilEnd(t, fmt.Sprintf("%sgetCaseStatus?case=%d&agent=our%%20client", url, n)); len(status) != 1 || status[0] != `{"behavior":"OK"}` {
			t.Errorf("case %d: %q", n, status)
		}
	}
	echoUntilEnd(t, url+"updateReports?agent=our%20client")
	if code := <-ended; code != exitDone || stderr.Len() > 0 {
		t.Errorf("exit status %d: %s\n%s", code, stderr, stdout)
	}
	if b, err := os.ReadFile(data); err != nil || !bytes.Contains(b, []byte(`"agents":["our client"]`)) {
		t.Errorf("the report does not name the client: %v", err)
	}
}

func TestCheckClientThatStays(t *testing.T) {
	url, ended, stdout, stderr := listening(t, "--only=1.1.[12]", "--idle=300ms")
	echoUntilEnd(t, url+"case/1.1.1")
	if code := <-ended; code != exitNonconforming || !strings.Contains(stderr.String(), "no case has ended for 300ms (--idle)") ||
		!strings.Contains(stdout.String(), "1 not played") {
		t.Errorf("exit status %d: %s\n%s", code, stderr, stdout)
	}
}

// Whatever a server does, the check goes on within its time and its memory.
func TestCheckHostileServers(t *testing.T) {
	flood := bytes.Repeat([]byte("\x82\x7e\xff\xff"), 16<<10)
	for _, h := range []struct {
		name string
		act  func(net.Conn)
	}{
		{"floods", func(c net.Conn) {
			for {
				if _, err := c.Write(flood); err != nil {
					return
				}
			}
		}},
		{"claims gigabytes", func(c net.Conn) {
			c.Write([]byte{0x82, 127, 0, 0, 0, 100, 0, 0, 0, 0})
			for {
				if _, err := c.Write(flood); err != nil {
					return
				}
			}
		}},
		{"hangs", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"answers garbage", func(c net.Conn) { c.Write(flood[:1000]) }},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			ln := listenLoopback(t)
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := ws.Accept(w, r, nil)
				if err == nil {
					h.act(c.NetConn())
					c.CloseNow()
				}
			})}
			served := make(chan struct{})
			go func() {
				defer close(served)
				srv.Serve(ln)
			}()
			defer func() {
				srv.Close()
				<-served
			}()
			cmd := command("check", "ws://"+ln.Addr().String()+"/", "--only=1.*,2.*,9.1.*", "--patience=300ms", "--timeout=10s")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != exitNonconforming || !regexp.MustCompile(`\n0 pass, [01] not strict, 3[23] fail, `).MatchString(out.String()) {
				t.Errorf("exit status %d:\n%s", code, &out)
			}
			// Three cases of 40 MiB and sixteen of 4 MiB at once, twice that while a
			// buffer grows, and the share of the garbage collector and the race detector.
			if mib := peak(cmd.ProcessState); mib > 1200 {
				t.Errorf("it took %d MiB", mib)
			}
		})
	}
}
