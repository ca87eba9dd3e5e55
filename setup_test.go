package tidewire_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestSetupSaysWhatIsMissing runs ./test where a bare machine has Go and git and nothing may be installed: it has
// to stop with one line that names everything to install.
func TestSetupSaysWhatIsMissing(t *testing.T) {
	const missing = "gcc libc6-dev curl openssl nodejs npm chromium python3-websockets"
	more := ""
	if runtime.GOOS == "linux" {
		more = " nginx-light haproxy caddy"
	}
	for name, tc := range map[string]struct{ apt, want string }{
		"no apt-get":      {"", "test: please install: " + missing + more},
		"apt-get refuses": {"#!/bin/sh\necho E: no network >&2\nexit 100\n", missing + more},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := t.TempDir()
			for _, tool := range []string{"bash", "env", "cat", "dirname", "grep", "id", "mktemp", "rm", "tail", "tee", "tr", "uname", "go", "git"} {
				path, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, tool)); err != nil {
					t.Fatal(err)
				}
			}
			if tc.apt != "" {
				if err := os.WriteFile(filepath.Join(bin, "apt-get"), []byte(tc.apt), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "bash", "./test")
			cmd.Env = append(os.Environ(), "PATH="+bin, "SBIN=/nowhere", "CC=", "TMPDIR="+t.TempDir())
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("./test: %v, want exit status 1", err)
			}
			said := stderr.String()
			if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "test: ") || !strings.HasSuffix(said, tc.want+"\n") {
				t.Errorf("./test says %q, want one line with %q", said, tc.want)
			}
			if strings.Contains(stdout.String(), "modules") {
				t.Errorf("it went on: %q", stdout.String())
			}
		})
	}
}
