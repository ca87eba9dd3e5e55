package interop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/interop/npmws"
)

// compile runs the TypeScript compiler and returns what it complains about.
func compile(t *testing.T, file string) string {
	t.Helper()
	folder, err := npmws.Folder()
	if err != nil {
		t.Fatal(err)
	}
	tsc := filepath.Join(folder, "node_modules", "typescript", "bin", "tsc")
	cmd := exec.Command("node", tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,esnext.disposable", file)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

// TestTypes holds js/tidewire.d.ts against right uses and wrong ones. A wrong one that is taken
// counts: its "@ts-expect-error" is an error then.
func TestTypes(t *testing.T) {
	if out := compile(t, "../js/test/types.ts"); out != "" {
		t.Errorf("js/test/types.ts:\n%s", out)
	}
	// The compiler sees the types at all.
	wrong := filepath.Join(t.TempDir(), "wrong.ts")
	types, err := filepath.Abs("../js/tidewire.js")
	if err != nil {
		t.Fatal(err)
	}
	text := "import { connect } from " + `"` + filepath.ToSlash(types) + `";` + "\nconnect(7);\n// @ts-expect-error\nconnect('/live');\n"
	if err := os.WriteFile(wrong, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := compile(t, wrong)
	for _, code := range []string{"TS2345", "TS2578"} {
		if !strings.Contains(out, code) {
			t.Errorf("no %s in: %s", code, out)
		}
	}
}
