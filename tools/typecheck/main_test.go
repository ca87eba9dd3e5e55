package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wrong on another system is found there, once, in tests as well, and nowhere else.
func TestCheck(t *testing.T) {
	t.Setenv("GOWORK", "off")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":            "module example.com/x\n\ngo 1.26\n",
		"x.go":              "package x\n\nimport _ \"io\"\n\nconst N = 1 << 40\n",
		"x_windows.go":      "package x\n\nvar _ int = \"windows\"\n",
		"x_386.go":          "package x\n\nvar _ int = N\n",
		"y_openbsd_test.go": "package x_test\n\nimport \"example.com/x\"\n\nvar _ = x.None\n",
		"testdata/x.go":     "package",
	} {
		name = filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(name), 0o700)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for system, want := range map[string]string{
		"linux/amd64":   "",
		"windows/amd64": "x_windows.go:3:", "linux/386": "overflows", "openbsd/amd64": "undefined: x.None",
		"nothing/nowhere": "unsupported",
	} {
		n, err := check(dir, system, "./...")
		switch {
		case want == "" && (err != nil || n < 1):
			t.Errorf("%s: %d packages, %v", system, n, err)
		case want != "" && (err == nil || strings.Count(err.Error(), want) != 1):
			t.Errorf("%s: %v, want one %q", system, err, want)
		}
	}
	if _, err := check(dir, "linux/amd64", "./none/..."); err == nil {
		t.Error("no packages are no error")
	}
}
