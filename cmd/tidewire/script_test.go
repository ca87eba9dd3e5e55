package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts plays the transcripts in testdata/script. Beside testscript's own, their commands are
//
//	tidewire ARGS...             runs it
//	fails STATUS REGEXP ARGS...  runs it, which must print nothing and say that in one line on stderr
//	status STATUS tidewire ARGS  runs it, which must end so
//	pair NAME                    makes NAME.pem and NAME-key.pem
//
// and $TAKEN is an address on which somebody listens, and $PEERS that of a server for connect; connectPlaces has more. Everybody can write the file open.
func TestScripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	address := connectPeers(t)
	places := connectPlaces(t, address)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		Deadline:           time.Now().Add(12 * patience), // of all of them, for what serves instead
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TAKEN", taken.Addr().String())
			e.Setenv("PEERS", address)
			for name, place := range places {
				e.Setenv(name, place)
			}
			if _, err := os.Stat(filepath.Join(e.WorkDir, "open")); err == nil {
				return os.Chmod(filepath.Join(e.WorkDir, "open"), 0o666)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"fails": fails, "status": endsWith, "pair": pair},
	})
}

func fails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails STATUS REGEXP ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	says := regexp.MustCompile(args[1])
	err = ts.Exec("tidewire", args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("%v, want exit status %d", err, want)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("it printed %q", out)
	}
	said := ts.ReadFile("stderr")
	line, ok := strings.CutSuffix(said, "\n")
	if !ok || strings.Contains(line, "\n") || !strings.HasPrefix(line, "tidewire: ") || !says.MatchString(line) {
		ts.Fatalf("it said %q, want one line with %q", said, args[1])
	}
}

func endsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status STATUS tidewire ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("%v, want exit status %d", err, want)
	}
}

func pair(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(writePair(ts.MkAbs(args[0]), time.Now()))
}
