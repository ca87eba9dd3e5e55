package tidewire_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestFailuresAreTold has tests fail and hang: ./test says at its end which, and where.
func TestFailuresAreTold(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":         "module x\n\ngo 1.26\n",
		"well/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Log(\"all is well\") }\n",
		"fails/a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {\n" +
			"\tt.Run(\"within\", func(t *testing.T) { t.Error(\"it is wrong\") })\n}\n",
		"hangs/a_test.go": "package a\n\nimport (\n\t\"sync\"\n\t\"testing\"\n)\n\nfunc TestA(t *testing.T) {\n\tfor range 100 {\n" +
			"\t\tgo func() { select {} }()\n\t}\n\tvar mu sync.Mutex\n\tmu.Lock()\n\tmu.Lock()\n}\n",
		"broken/a_test.go": "package a\n\nfunc a() { b() }\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-timeout", "5s", "./...")
	run.Dir = dir
	log, err := run.CombinedOutput()
	if err == nil {
		t.Fatalf("nothing has failed:\n%s", log)
	}
	name := filepath.Join(dir, "log")
	if err := os.WriteFile(name, log, 0o666); err != nil {
		t.Fatal(err)
	}
	told, err := exec.CommandContext(t.Context(), "awk", "-f", "tools/failures.awk", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, told)
	}
	for _, want := range []string{
		`--- FAIL: TestA/within`, `a_test\.go:6: it is wrong`, `FAIL\tx/fails`,
		`panic: test timed out after 5s\n\trunning tests:\n\t\tTestA `, `(?s)goroutine \d+ \[sync\.Mutex\.Lock[^\n]*\]:\n.*hangs/a_test\.go:14`, `FAIL\tx/hangs`,
		`broken/a_test\.go:3:\d+: undefined: b`,
	} {
		if !regexp.MustCompile(want).Match(told) {
			t.Errorf("%s is not told of", want)
		}
	}
	if n := len(told); n > 3000 || regexp.MustCompile(`well`).Match(told) {
		t.Errorf("%d bytes are told", n)
	}
	if t.Failed() {
		t.Logf("what is told:\n%.5000s", told)
	}
}
