package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// With asCommand set, or when a script runs it, the test binary is tidewire itself.
func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	testscript.Main(tests{m}, map[string]func(){"tidewire": main})
}

// tests makes the flags' defaults the real ones, whatever the environment of the tests says.
type tests struct{ *testing.M }

func (m tests) Run() int {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "TIDEWIRE_") {
			os.Unsetenv(name)
		}
	}
	code := m.M.Run()
	if err := everybodys.end(); err != nil {
		fmt.Fprintln(os.Stderr, "chromium does not end:", err)
		return max(code, 1)
	}
	return code
}

// TestTranscripts runs command lines that end by themselves and want something of this process. The others are in
// testdata/script.
func TestTranscripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := gone.Addr().String()
	gone.Close()
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	page := strings.TrimPrefix(nothing.URL, "http://")
	noReport := filepath.Join(t.TempDir(), "empty.json")
	if err := os.WriteFile(noReport, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name           string
		args           string
		env            map[string]string
		code           int
		stdout, stderr string // regular expressions for all of it
	}{
		{name: "help of check", args: "check --help", stdout: `(?s)^Usage: tidewire check .*tidewire check ws://127\.0\.0\.1:9001/.*exit status is 4.*--yes-i-own-this-server`},
		{name: "cases", args: "check --list --only 5.*", stdout: `^5\.1      RFC 6455 5\.4       Fragmentation: ping in two fragments\n(5\..*\n){19}$`},
		{name: "cases for clients", args: "check --list --listen :0 --only 24.1.*", stdout: `^24\.1\.1 (.*\n){4}$`},
		{name: "check nothing", args: "check", code: 2, stderr: `check needs the URL of a server to test, or --listen to test a client`},
		{name: "check both", args: "check ws://127.0.0.1/ --listen :0", code: 2, stderr: `not both`},
		{name: "no such case", args: "check ws://127.0.0.1/ --only 77.*", code: 2, stderr: `no case matches "77\.\*"`},
		{name: "no server's case", args: "check ws://127.0.0.1/ --only 24.1.1", code: 2, stderr: `no case for a server matches`},
		{name: "no glob", args: "check ws://127.0.0.1/ --skip [", code: 2, stderr: `glob "-?\["`},
		{name: "no header", args: "check ws://127.0.0.1/ -H Cookie", code: 2, stderr: `--header "Cookie" is not of the form Name: value`},
		{name: "no parallel", args: "check ws://127.0.0.1/ --parallel 0", code: 2, stderr: `--parallel is 0`},
		{name: "no patience", args: "check ws://127.0.0.1/ --patience 0s", code: 2, stderr: `--patience is 0s; it must be more than 0`},
		{name: "key without certificate", args: "check --listen :0 --key x", code: 2, stderr: `--cert and --key belong together`},
		{name: "certificate for a server", args: "check ws://127.0.0.1/ --cert x --key x", code: 2, stderr: `are for --listen`},
		{name: "no URL", args: "check http:127.0.0.1", code: 1, stderr: `is no ws, wss, http or https URL with a host`},
		{name: "somebody else's server", args: "check ws://192.0.2.1:9/", code: 1, stderr: `192\.0\.2\.1:9 is not a loopback address; any other target needs --yes-i-own-this-server\n$`},
		{name: "nobody listens", args: "check ws://" + closed + "/", code: 1, stderr: `^tidewire: conformance: ws://.*: no connection: .*refused\n$`},
		{name: "not a WebSocket", args: "check ws://" + page + "/", code: 1, stderr: `it answered the handshake with "HTTP/1\.1 404 Not Found": is the path right\?\n$`},
		{name: "no folder", args: "check ws://127.0.0.1/ --html /nowhere/r.html", code: 1, stderr: `^tidewire: open /nowhere/.*: no such file or directory\n$`},
		{name: "half a client certificate", args: "check wss://127.0.0.1/ --client-cert c.pem", code: 2, stderr: `--client-cert and --client-key go together`},
		{name: "no client certificate", args: "check wss://127.0.0.1/ --client-cert /dev/null --client-key /dev/null", code: 1, stderr: `--client-cert /dev/null with --client-key /dev/null: .*PEM`},
		{name: "no certificates", args: "check wss://127.0.0.1/ --ca-file /dev/null", code: 1, stderr: `/dev/null holds no certificate in PEM`},
		{name: "help of bench", args: "bench --help", stdout: `(?s)^Usage: tidewire bench .*tidewire bench compare a\.json b\.json.*exit status is 5`},
		{name: "help of a bench's run", args: "bench run --help", stdout: `(?s)--scenario="echo".*--yes-i-own-this-server`},
		{name: "bench nothing", args: "bench", code: 2, stderr: `expected "?<target>"?`},
		{name: "bench somebody else's server", args: "bench -q ws://192.0.2.1:9/", code: 1, stderr: `192\.0\.2\.1:9 is not a loopback address; any other target needs --yes-i-own-this-server\n$`},
		{name: "bench nobody", args: "bench -q ws://" + closed + "/", code: 1, stderr: `^tidewire: load: no connection: connecting: .*refused\n$`},
		{name: "bench a page", args: "bench -q ws://" + page + "/", code: 1, stderr: `the handshake was answered with 404 Not Found\n$`},
		{name: "bench no size", args: "bench --size=x ws://127.0.0.1/", code: 2, stderr: `"x" is no size from 0 to`},
		{name: "bench no connections", args: "bench -c 0 ws://127.0.0.1/", code: 2, stderr: `--connections is 0`},
		{name: "bench no scenario", args: "bench --scenario=dance ws://127.0.0.1/", code: 2, stderr: `--scenario must be one of "echo","fanout","upgrade","idle"`},
		{name: "bench no time", args: "bench -d 0s ws://127.0.0.1/", code: 2, stderr: `--duration is 0s; it must be more than 0`},
		{name: "bench no compression", args: "bench --compress=zip ws://127.0.0.1/", code: 2, stderr: `--compress must be one of "off","no-takeover","takeover"`},
		{name: "bench another scenario's rate", args: "bench -q --scenario=idle --rate=5 ws://127.0.0.1/", code: 1, stderr: `a rate is for the scenarios echo, fanout and live`},
		{name: "compare nothing", args: "bench compare /nowhere /dev/null", code: 2, stderr: `no such file`},
		{name: "compare no report", args: "bench compare " + noReport + " " + noReport, code: 1, stderr: `empty\.json: load: no report: EOF\n$`},
		{name: "port taken", args: "check --listen " + taken.Addr().String(), code: 1, stderr: `already in use`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			// A command line that should be refused must not serve for ever.
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			var stdout, stderr bytes.Buffer
			err := run(ctx, strings.Fields(tc.args), stdio{strings.NewReader(""), &stdout, &stderr})
			if ctx.Err() != nil {
				t.Fatal("it served")
			}
			if code := exitCode(err); code != tc.code {
				t.Errorf("exit status %d, want %d (%v)", code, tc.code, err)
			}
			for _, out := range []struct{ name, got, want string }{
				{"stdout", stdout.String(), tc.stdout},
				{"stderr", stderr.String(), tc.stderr},
			} {
				if out.want == "" && out.got != "" || !regexp.MustCompile(out.want).MatchString(out.got) {
					t.Errorf("%s is %q, want %q", out.name, out.got, out.want)
				}
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		nil:                             0,
		errors.New("x"):                 1,
		usageError{errors.New("x")}:     2,
		fmt.Errorf("serve: %w", errCut): 3,
		fmt.Errorf("check: %w", errNonconforming): 4,
		fmt.Errorf("bench: %w", errFaulty):        5,
		fmt.Errorf("y: %w", errors.New("other")):  1,
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestLogFormats(t *testing.T) {
	var b bytes.Buffer
	newLogger(&b, 0, "json").Info("hello", "n", 7)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["msg"] != "hello" || line["n"] != 7.0 {
		t.Errorf("json: %s, %v", b.Bytes(), err)
	}
	for _, format := range []string{"auto", "text"} {
		b.Reset()
		log := newLogger(&b, 0, format)
		log.Debug("hidden")
		log.Info("hello", "n", 7)
		if got := b.String(); !strings.Contains(got, "msg=hello n=7") || strings.ContainsAny(got, "\x1b") || strings.Contains(got, "hidden") {
			t.Errorf("%s, not a terminal: %q", format, got)
		}
	}
}

const asCommand = "RUN_AS_COMMAND"

// command is this process's own binary as tidewire.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// What run returns becomes the process's exit status.
func TestProcessExitStatus(t *testing.T) {
	for args, want := range map[string]int{"--version": 0, "serve --addr 192.0.2.1:0": 1, "serve --bad": 2} {
		cmd := command(strings.Fields(args)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit status %d, want %d: %s", args, got, want, out)
		}
	}
}

// patience bounds what a test waits for; nothing waits it out but a failure.
const patience = 30 * time.Second

// shortDir is a folder for sockets, whose paths are bounded: those of t.TempDir are too long.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A running command is one in this process.
type running struct {
	stop  func() // as Ctrl-C does
	done  chan error
	lines *bufio.Scanner // what it prints
}

// starting runs a command until the test ends.
func starting(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	c := &running{stop: stop, done: make(chan error, 1), lines: bufio.NewScanner(r)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.done <- run(ctx, args, stdio{strings.NewReader(""), w, t.Output()})
		w.Close()
	}()
	t.Cleanup(func() {
		stop()
		io.Copy(io.Discard, r)
		<-ended
	})
	return c
}
