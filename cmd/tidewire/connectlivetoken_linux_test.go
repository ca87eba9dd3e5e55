package main

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestConnectLiveTokenPipe has tokens come by pipes: what is read of one is used, and one that nobody writes to is waited for, until
// the connection should be there, or Ctrl-C.
func TestConnectLiveTokenPipe(t *testing.T) {
	hub := "ws://" + connectPeers(t) + "/live"
	for name, args := range map[string][]string{
		"token": {"--token-file", "PIPE", "-x", "/call sum [1,2]", "-n", "1"},
		"room":  {"-x", "/join room:1 0 PIPE", "-x", "/call sum [1,2]", "-n", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name := pipe(t)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "PIPE", name)
			}
			cmd := command(append([]string{"connect", "--live", hub, "-u"}, args...)...)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, t.Output()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w := writer(t, name)
			_, err := io.WriteString(w, "ann\n")
			w.Close()
			if err != nil {
				t.Error(err)
			}
			if code := ends(t, cmd); code != 0 || !strings.Contains(out.String(), `"data":3`) {
				t.Errorf("exit status %d: %s", code, out.String())
			}
			cmd = command(append([]string{"connect", "--live", hub, "-u"}, args...)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			defer writer(t, name).Close() // who writes nothing
			cmd.Process.Signal(syscall.SIGINT)
			ends(t, cmd)
			if took := time.Since(began); took > patience/2 {
				t.Errorf("it ends after %v", took)
			}
		})
	}
	code, stderr := connected(t, strings.NewReader(""), io.Discard, "--live", hub, "-u", "--connect-timeout", "100ms", "--token-file", pipe(t))
	if want := "no token has come, which is waited for"; code != exitUnreached || !strings.Contains(stderr, want) {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}
