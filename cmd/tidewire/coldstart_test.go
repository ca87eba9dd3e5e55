package main

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkColdStart starts the binary and waits until it says that it serves, and then until it has answered:
//
//	go test ./cmd/tidewire -run '^$' -bench ColdStart -benchtime 50x
func BenchmarkColdStart(b *testing.B) {
	binary := build(b)
	dir := b.TempDir()
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"memory", nil},
		{"tls", []string{"--tls-self-signed", "--admin-addr", "127.0.0.1:0"}},
		{"data", []string{"--data", filepath.Join(dir, "data")}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			var said, answered []time.Duration
			for b.Loop() {
				line, answer := coldStart(b, binary, tc.args...)
				said, answered = append(said, line), append(answered, answer)
			}
			ms := func(took []time.Duration, q float64) float64 {
				slices.Sort(took)
				return took[int(q*float64(len(took)-1))].Seconds() * 1e3
			}
			b.ReportMetric(0, "ns/op") // its end would count, too
			b.ReportMetric(ms(said, 0.5), "ms-p50")
			b.ReportMetric(ms(said, 0.9), "ms-p90")
			b.ReportMetric(ms(answered, 0.5), "ms-answer-p50")
		})
	}
}

// coldStart returns how long one start took until the first line, and until an answer.
func coldStart(b *testing.B, binary string, args ...string) (line, answer time.Duration) {
	cmd := exec.Command(binary, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	said, err := bufio.NewReader(out).ReadString('\n')
	line = time.Since(began)
	url, ok := strings.CutPrefix(strings.TrimSuffix(said, "\n"), "Tidewire is serving on ")
	if !ok {
		b.Fatalf("it printed %q: %v", said, err)
	}
	r, err := insecure().Get(url + "healthz")
	if err != nil {
		b.Fatal(err)
	}
	r.Body.Close()
	return line, time.Since(began)
}
