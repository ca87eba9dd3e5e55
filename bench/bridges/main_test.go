package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestRun measures a little, which fails where a byte is missing, and looks for the rows of the tables.
func TestRun(t *testing.T) {
	few(t)
	var out bytes.Buffer
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(out.String(), "TCP to TCP: ")
	if len(tables) != 2 || !strings.Contains(tables[0], "WebSocket to TCP: 1 MiB each way, 20 requests of 128 bytes, median of 1 rounds\n") {
		t.Fatalf("%s", out.String())
	}
	ratio := ` [0-9.]+ \([0-9.]+×\) \|`
	for i, rival := range []string{"websockify", "socat"} {
		if !regexp.MustCompile(`(?m)^\| tidewire bridge \|( [0-9.]+ \|){5}$\n^\| tidewire bridge --idle 1m \|(` + ratio + `){5}$`).MatchString(tables[i]) {
			t.Errorf("ours are missing in\n%s", tables[i])
		}
		if _, err := exec.LookPath(rival); err != nil {
			if !strings.Contains(out.String(), "without "+rival+": ") {
				t.Errorf("%s is left out, and nothing says so:\n%s", rival, out.String())
			}
		} else if !regexp.MustCompile(`(?m)^\| ` + rival + ` \|(` + ratio + `){5}$`).MatchString(tables[i]) {
			t.Errorf("%s is missing in\n%s", rival, tables[i])
		}
	}
}

// few has little be measured, once.
func few(t *testing.T) {
	oldSize, oldTrips, oldRounds := *size, *trips, *rounds
	t.Cleanup(func() { *size, *trips, *rounds = oldSize, oldTrips, oldRounds })
	*size, *trips, *rounds = 1<<20, 20, 1
}

// TestInstalled leaves out a program that there is not.
func TestInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out bytes.Buffer
	group := programs(t.TempDir())[1]
	if all := installed(&out, group); len(all) != 0 || strings.Count(out.String(), "without ") != len(group) {
		t.Fatalf("%d are there: %s", len(all), out.String())
	}
}

// TestDrain has bytes be missing, doubled and changed.
func TestDrain(t *testing.T) {
	few(t)
	var all bytes.Buffer
	if err := fill(&all); err != nil {
		t.Fatal(err)
	}
	p := all.Bytes()
	changed := bytes.Clone(p)
	changed[0]++
	for name, p := range map[string][]byte{
		"some at the end":    p[:len(p)-1],
		"some at the start":  append(p[1:len(p):len(p)], 0),
		"some in the middle": append(bytes.Clone(p[:128<<10]), p[128<<10+1:]...),
		"some doubled":       append(bytes.Clone(p[:128<<10]), p[128<<10-1:]...),
		"one changed":        changed,
	} {
		if err := drain(bytes.NewReader(p)); err == nil {
			t.Errorf("%s: nobody noticed", name)
		}
	}
	if err := drain(bytes.NewReader(p)); err != nil {
		t.Error(err)
	}
}
