package gorillaswap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	// What the second build of the programs imports.
	_ "github.com/tidewire/tidewire/compat/websocket"
)

const (
	theirs = `"github.com/gorilla/websocket"`
	ours   = `"github.com/tidewire/tidewire/compat/websocket"`
)

// TestProgramsBehaveTheSame runs each program with its two ends built against
// either library, in all four ways, and wants the transcripts of all to be the one
// that gorilla at both ends gives.
func TestProgramsBehaveTheSame(t *testing.T) {
	dir := t.TempDir()
	builds := map[string]string{
		"gorilla":  build(t, filepath.Join(dir, "gorilla"), ""),
		"tidewire": build(t, filepath.Join(dir, "tidewire"), overlay(t, dir)),
	}
	out, err := exec.Command(builds["gorilla"], "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	if len(names) < 5 {
		t.Fatalf("the programs are %q", names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			want := perform(t, name, builds["gorilla"], builds["gorilla"])
			for _, end := range want {
				if strings.Count(end, "\n") < 5 {
					t.Fatalf("gorilla's own transcript is too short to prove anything:\n%s", end)
				}
			}
			t.Logf("server:\n%s\nclient:\n%s", want[0], want[1])
			for _, cast := range [][2]string{{"tidewire", "tidewire"}, {"tidewire", "gorilla"}, {"gorilla", "tidewire"}} {
				got := perform(t, name, builds[cast[0]], builds[cast[1]])
				for i, end := range []string{"server", "client"} {
					if got[i] != want[i] {
						t.Errorf("server on %s, client on %s: the %s differs:\n%s", cast[0], cast[1], end, difference(want[i], got[i]))
					}
				}
			}
		})
	}
}

// build compiles the programs.
func build(t *testing.T, binary, overlay string) string {
	t.Helper()
	args := []string{"build", raceFlag, "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if out, err := exec.Command("go", append(args, "./programs")...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return binary
}

// overlay tells the go command to take copies of the programs that differ in one
// line, the import.
func overlay(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob("programs/*.go")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch strings.Count(string(source), theirs) {
		case 0:
			continue
		case 1:
		default:
			t.Fatalf("%s names %s more than once", file, theirs)
		}
		copied := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(copied, bytes.Replace(source, []byte(theirs), []byte(ours), 1), 0o666); err != nil {
			t.Fatal(err)
		}
		full, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		replace[full] = copied
	}
	if len(replace) < 5 {
		t.Fatalf("only %d programs import %s", len(replace), theirs)
	}
	p, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, p, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// perform runs both ends of a program and returns what each has said. The programs
// themselves fail if they leave a goroutine behind.
func perform(t *testing.T, name, server, client string) (said [2]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var serverErrors, clientErrors, rest bytes.Buffer
	serve := exec.CommandContext(ctx, server, name, "serve")
	serve.Env = environment()
	serve.Stderr = &serverErrors
	in, err := serve.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	addr, err := lines.ReadString('\n')
	if err != nil {
		in.Close()
		t.Fatalf("the server says no address: %v, %v\n%s", err, serve.Wait(), &serverErrors)
	}
	dial := exec.CommandContext(ctx, client, name, "dial", strings.TrimSpace(addr))
	dial.Env = environment()
	dial.Stderr = &clientErrors
	answer, derr := dial.Output()
	in.Close()
	_, rerr := rest.ReadFrom(lines)
	serr := serve.Wait()
	if derr != nil || rerr != nil || serr != nil {
		t.Fatalf("client: %v\n%s%s\nserver: %v %v\n%s%s", derr, answer, &clientErrors, rerr, serr, &rest, &serverErrors)
	}
	return [2]string{rest.String(), string(answer)}
}

// environment is ours without a proxy, which the default dialer would use. A
// program under the race detector need not wait a second before it ends.
func environment() []string {
	env := []string{"GORACE=atexit_sleep_ms=0 " + os.Getenv("GORACE")}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != "GORACE" && !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, v)
		}
	}
	return env
}

// difference shows the lines that only one transcript has.
func difference(want, got string) string {
	var d strings.Builder
	show := func(name, lines, others string) {
		missing := map[string]int{}
		for line := range strings.Lines(others) {
			missing[line]++
		}
		for line := range strings.Lines(lines) {
			if missing[line]--; missing[line] < 0 {
				d.WriteString(name + line)
			}
		}
	}
	show("gorilla:  ", want, got)
	show("this one: ", got, want)
	if d.Len() == 0 {
		return "the same lines in another order"
	}
	return d.String()
}
