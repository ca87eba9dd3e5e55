package tidewire_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

// A goMod is the part of `go mod edit -json` that these tests read.
type goMod struct {
	Require []struct {
		Path    string
		Version string
	}
	Tool []struct{ Path string }
}

// requirements returns the versions that the go.mod in dir requires, by module.
func requirements(t *testing.T, dir string) map[string]string {
	t.Helper()
	var mod goMod
	if err := json.Unmarshal([]byte(goCommand(t, dir, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, r := range mod.Require {
		versions[r.Path] = r.Version
	}
	return versions
}

// TestRequirementsOfWS proves what somebody downloads and compiles who imports package ws and nothing else.
func TestRequirementsOfWS(t *testing.T) {
	dir := scratchModule(t, map[string]string{
		"main.go": "package main\n\nimport _ \"" + module + "/ws\"\n\nfunc main() {}\n",
	})
	goCommand(t, dir, "mod", "tidy")

	ours := requirements(t, ".")
	want := map[string]string{module: "v0.0.0"}
	for _, name := range []string{"github.com/klauspost/compress", "golang.org/x/net", "golang.org/x/sys"} {
		if want[name] = ours[name]; want[name] == "" {
			t.Errorf("go.mod does not require %s", name)
		}
	}
	if got := requirements(t, dir); !maps.Equal(got, want) {
		t.Errorf("a module that imports only ws requires %v, want %v", got, want)
	}
	goCommand(t, dir, "build", "./...")
}

// TestToolsStayOutside holds the linters' own requirements in tools/: as tools of the root module they would be in
// the module graph of everybody who uses the library.
func TestToolsStayOutside(t *testing.T) {
	var root, tools goMod
	for dir, mod := range map[string]*goMod{".": &root, "tools": &tools} {
		if err := json.Unmarshal([]byte(goCommand(t, dir, "mod", "edit", "-json")), mod); err != nil {
			t.Fatal(err)
		}
	}
	if len(root.Tool) != 0 {
		t.Errorf("the root's go.mod has tools, which belong into tools/go.mod: %v", root.Tool)
	}
	pinned := slices.ContainsFunc(tools.Tool, func(tool struct{ Path string }) bool {
		return tool.Path == "honnef.co/go/tools/cmd/staticcheck"
	})
	if !pinned {
		t.Error("tools/go.mod does not pin staticcheck, which ./test runs")
	}
}

// TestDependenciesAreExplained holds docs/dependencies.md to its promise: a reason for each module in go.mod.
func TestDependenciesAreExplained(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`[a-z0-9.-]+\.[a-z]+/[\w./-]+`).FindAllString(string(page), -1) {
		named[name] = true
	}
	for name := range requirements(t, ".") {
		if !named[name] {
			t.Errorf("go.mod requires %s, and docs/dependencies.md does not say why", name)
		}
	}
}
