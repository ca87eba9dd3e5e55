package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const unitFolder = "../../deploy/systemd"

// unit returns what a unit says, by "Section.Key".
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(unitFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	keys, section := map[string][]string{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case ok && section != "":
			keys[section+"."+key] = append(keys[section+"."+key], value)
		default:
			t.Errorf("%s: %q is neither a key nor a section", name, line)
		}
	}
	return keys
}

// The units of deploy/systemd say what serve understands, and leave it the time that it takes.
func TestUnits(t *testing.T) {
	service := unit(t, "tidewire.service")
	one := func(keys map[string][]string, key string) string {
		t.Helper()
		if len(keys[key]) != 1 {
			t.Fatalf("%s is there %d times", key, len(keys[key]))
		}
		return keys[key][0]
	}
	const program = "/usr/local/bin/tidewire serve "
	line, ok := strings.CutPrefix(one(service, "Service.ExecStart"), program)
	if !ok {
		t.Fatalf("it starts %q", service["Service.ExecStart"])
	}
	// systemd's variables stand for files that are not here.
	config := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	line = strings.NewReplacer("${CREDENTIALS_DIRECTORY}/tidewire.yaml", config, "${STATE_DIRECTORY}", t.TempDir()).Replace(line)
	if strings.Contains(line, "$") {
		t.Errorf("unknown to this test: %q", line)
	}
	cli, _ := parse(t, strings.Fields(line)...)
	seconds := func(key string) time.Duration {
		t.Helper()
		d, err := time.ParseDuration(one(service, key) + "s")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if stop := seconds("Service.TimeoutStopSec"); stop < cli.Serve.Drain+20*time.Second {
		t.Errorf("it is killed behind %v, and drains for %v", stop, cli.Serve.Drain)
	}
	if start := seconds("Service.TimeoutStartSec"); start < cli.Serve.DataWait+time.Minute {
		t.Errorf("it is killed behind %v, and waits for the folder for %v", start, cli.Serve.DataWait)
	}
	if cli.Serve.DataWait < cli.Serve.Drain {
		t.Errorf("it waits %v for a process that drains for %v", cli.Serve.DataWait, cli.Serve.Drain)
	}
	for key, want := range map[string]string{
		"Service.Type": "notify", "Service.NotifyAccess": "main", "Service.DynamicUser": "yes", "Service.ProtectSystem": "strict",
		"Service.StateDirectory": "tidewire", "Service.NoNewPrivileges": "yes", "Service.CapabilityBoundingSet": "", "Service.LimitNOFILE": "1048576",
		"Service.RestartPreventExitStatus": "2", "Service.SuccessExitStatus": "3", "Unit.Requires": "tidewire.socket",
	} {
		if got := one(service, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	names := []string{}
	for _, name := range []string{"tidewire.socket", "tidewire-admin.socket"} {
		names = append(names, one(unit(t, name), "Socket.FileDescriptorName"))
	}
	if want := []string{httpSocket, adminSocket}; !slices.Equal(names, want) {
		t.Errorf("the sockets have the names %q, want %q", names, want)
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		verify(t, analyze)
	}
}

// verify has systemd look at every key of the units.
func verify(t *testing.T, analyze string) {
	files, err := filepath.Glob(filepath.Join(unitFolder, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, filepath.Base(file))
		text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/tidewire", "/bin/true")) // a program that is here
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, copied)
	}
	if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
