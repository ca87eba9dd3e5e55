package main

import (
	"flag"
	"strconv"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bench/inmemory"
)

// micro is a Go benchmark's result.
type microResult struct {
	name string
	testing.BenchmarkResult
}

// microbench runs the benchmarks in memory.
func microbench(cases []inmemory.Case, each time.Duration) (all []microResult) {
	testing.Init()
	flag.Set("test.benchtime", each.String())
	for _, c := range cases {
		all = append(all, microResult{c.Name, testing.Benchmark(c.Bench)})
	}
	return all
}

// fields are ns/op, B/op and allocs/op.
func (m microResult) fields() []string {
	if m.N == 0 {
		return []string{m.name, "failed", "", ""}
	}
	return []string{m.name, strconv.FormatInt(m.NsPerOp(), 10), strconv.FormatInt(m.AllocedBytesPerOp(), 10), strconv.FormatInt(m.AllocsPerOp(), 10)}
}
