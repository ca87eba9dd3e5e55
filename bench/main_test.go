package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bench/meter"
	"github.com/tidewire/tidewire/bench/servers"
)

// The test binary is the bench too, so that its servers can be started; and a parent that starts one and hangs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			main()
			return
		case "parent":
			parent()
			return
		}
	}
	os.Exit(m.Run())
}

// parent starts a server, tells its address, and waits to be killed.
func parent() {
	server, _ := servers.Find("ours")
	p, err := meter.Start(os.Args[0], server, servers.Job{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Address)
	io.Copy(io.Discard, os.Stdin)
}

// A server ends when its parent does, even if that one is killed. Both hold the end of a pipe; when it closes, they
// have ended.
func TestServersEndWithTheirParent(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(os.Args[0], "parent")
	cmd.Stderr = w
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "127.0.0.1:") {
		t.Errorf("the parent said %q, %v", line, err)
	}
	cmd.Process.Kill()
	r.SetReadDeadline(time.Now().Add(30 * time.Second))
	if said, err := io.ReadAll(r); err != nil {
		t.Errorf("the server lives on: %v %s", err, said)
	}
	cmd.Wait()
}

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"-list":                   "echo-10000 ",
		"-list -live":             "live-500-flat ",
		"-only nothing":           "nothing was chosen",
		"-server nobody":          "nothing was chosen",
		"-rounds 0":               "-rounds",
		"surplus":                 `no argument "surplus"`,
		"-nonsense":               "not defined",
		"serve":                   "two arguments",
		"serve nobody {}":         `no server "nobody"`,
		"serve npm-ws {}":         `no server "npm-ws"`,
		"serve ours nonsense":     "invalid character",
		"-only echo-1 -budget -1": "invalid value",
	} {
		var out bytes.Buffer
		err := run(context.Background(), strings.Fields(args), strings.NewReader(""), &out, &out)
		if said := fmt.Sprint(out.String(), err); !strings.Contains(said, want) {
			t.Errorf("bench %s: %s, want %q", args, said, want)
		}
	}
}

// TestRun is a whole run, of little, with all that it writes.
func TestRun(t *testing.T) {
	folder := t.TempDir()
	var out, progress bytes.Buffer
	err := run(context.Background(), strings.Fields("-only echo-1,idle-1000 -server ours,gorilla,floor-conn -rounds 1 -each 100ms"),
		nil, &out, &progress)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"echo-1", "gorilla/websocket", "floor: net.Conn", "after a collection"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	out.Reset()
	err = run(context.Background(), []string{"-only", "pipelined", "-server", "ours,bun,floors", "-quick", "-each", "100ms", "-write", folder, "-command", "make test"},
		nil, &out, &progress)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(folder + "/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"`make test`", "Pipelined echo", "Bun (uWebSockets)", "| gorilla |", "benchmarks/pipelined.svg"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
}
