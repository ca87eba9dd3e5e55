package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/bench/npm"
	"github.com/tidewire/tidewire/bench/servers"
)

// machine says what everything ran on, in one line.
func machine() string {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("kernel unknown")
	}
	memory := ""
	if kib, err := strconv.ParseFloat(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		memory = fmt.Sprintf(", %.0f GiB", kib/(1<<20))
	}
	return fmt.Sprintf("%s, %d cores%s, %s %s, %s/%s", cmp.Or(procField("/proc/cpuinfo", "model name"), "processor unknown"),
		runtime.NumCPU(), memory, runtime.GOOS, strings.TrimSpace(string(kernel)), runtime.GOOS, runtime.GOARCH)
}

// procField is a field of one of the kernel's lists, or empty.
func procField(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// output is what a command prints, on one line, or what went wrong.
func output(dir, name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	text, err := cmd.Output()
	if err != nil {
		return fmt.Sprintf("unknown (%v)", err)
	}
	return strings.TrimSpace(string(text))
}

// commit is that of the working tree around dir, with a word if it has changes to Go files.
func commit(dir string) string {
	c := output(dir, "git", "rev-parse", "--short=12", "HEAD")
	if changed := output(dir, "git", "status", "--porcelain", "--", ":/*.go", ":/**/go.mod"); changed != "" {
		c += " with changes"
	}
	return c
}

// version is that of a server's library.
func version(s servers.Server) string {
	if s.Module == "" {
		return ""
	}
	if s.Runtime != "" {
		pinned, err := npm.Versions()
		if err != nil {
			return err.Error()
		}
		return pinned[s.Module]
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == s.Module {
				return strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	return "unknown"
}
