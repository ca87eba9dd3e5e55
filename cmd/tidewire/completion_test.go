package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletion completes command lines in a real bash.
func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "tidewire")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "serve.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"tidewire ":                                      "bench bridge check completion connect serve store token",
		"tidewire c":                                     "check completion connect",
		"tidewire bench ":                                "compare run",
		"tidewire bench --sc":                            "--scenario",
		"tidewire bench --scenario ":                     "echo fanout idle live upgrade",
		"tidewire bench run --scenario fa":               "fanout",
		"tidewire bench run --scenario=f":                "--scenario=fanout",
		"tidewire bench run --scenario = f":              "fanout",
		"tidewire bench run --scenario = echo --size = ": "",
		"tidewire serve --addr x --log-format j":         "json",
		"tidewire --log-level debug serve --tls-":        "--tls-cert --tls-key --tls-self-signed",
		"tidewire connect -H x --hi":                     "",
		"tidewire connect -H -b --no":                    "--no-history --no-input",
		"tidewire completion z":                          "zsh",
		"tidewire serve --config ser":                    "", // files are bash's own
		"tidewire bridge -- --":                          "",
		"tidewire nonsense --lo":                         "--log-format --log-level",
	} {
		script := `source <(tidewire completion bash)
COMP_LINE=$1; COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; [[ $1 == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_tidewire; echo "${COMPREPLY[*]}"; complete -p tidewire`
		cmd := exec.Command("bash", "--norc", "-c", script, "bash", line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), asCommand+"=1", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, registered, _ := strings.Cut(string(out), "complete ")
		if got = strings.Join(strings.Fields(got), " "); got != want || !strings.Contains(registered, "_tidewire") {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
