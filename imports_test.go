// Package tidewire_test holds the tests of the repository itself: what may import what, what a user of
// package ws has to download, whether the programs in README.md compile, and the rules for tests.
package tidewire_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tidewire/tidewire"

// A row says what the packages that its first field names may import beside the standard library.
//
// Names of this module's packages are relative to its root. "a/..." is a and everything below it. A name whose
// first element has a dot is a package of another module. "anything" allows every package of the rows above it
// and every package of other modules.
type row struct {
	pkg     string
	imports []string
}

// belowWS is what "ws and below" means in the table.
var belowWS = []string{"ws", "ws/frame", "ws/deflate", "ws/engine"}

// The import table of the design, lowest packages first. An arrow may only point upwards in this list. A package
// without a row fails the test: add the row here, and ask whether it belongs where it stands.
var table = []row{
	{"ws/frame", nil},
	{"js", nil},
	{"live/protocol", []string{"github.com/fxamacker/cbor/v2"}},
	{"web/markup", nil},
	// A bug that the test peer shared with what it tests would hide. So it has nothing of ours, but for what writes its reports.
	{"conformance/report", []string{"conformance", "web/markup"}},
	{"conformance/...", []string{"conformance/..."}},
	{"load/uplot", nil},
	// So is the load generator: what it measures is not to be measured by itself.
	// Its deflate is therefore another one than ws/deflate's own.
	{"load", []string{"load/uplot", "web/markup", "github.com/HdrHistogram/hdrhistogram-go", "github.com/klauspost/compress/flate", "golang.org/x/sys/unix"}},
	{"ws/deflate", []string{"github.com/klauspost/compress/flate"}},
	{"ws/engine", []string{"golang.org/x/sys/...", "ws/frame"}},
	{"ws", []string{"ws/frame", "ws/deflate", "ws/engine", "golang.org/x/net/proxy"}},
	{"ws/wstest", belowWS},
	{"ws/tunnel", nil},
	{"client/callback", belowWS},
	{"compat/websocket", belowWS},
	{"live", slices.Concat(belowWS, []string{"live/protocol", "ws/tunnel"})},
	{"client", slices.Concat(belowWS, []string{"live/protocol"})},
	{"live/livetest", slices.Concat(belowWS, []string{"live", "live/protocol"})},
	{"live/natsbroker/internal/exportfile", nil},
	{"live/natsbroker", []string{"live", "live/protocol", "live/natsbroker/internal/exportfile", "github.com/nats-io/nats.go/...", "github.com/nats-io/nats-server/v2/..."}},
	{"service/internal/object", nil},
	{"service/internal/handled", []string{"live", "live/protocol"}},
	{"service/token", []string{"live", "live/protocol", "service/internal/object", "github.com/golang-jwt/jwt/v5", "github.com/MicahParks/jwkset"}},
	{"service/webhook", slices.Concat(belowWS, []string{"live", "live/protocol", "service/token", "service/internal/object", "github.com/sony/gobreaker/v2"})},
	{"web/...", []string{"anything"}},
	{"service/metrics", []string{"ws", "live", "live/protocol", "service/internal/handled", "github.com/prometheus/client_golang/..."}},
	{"service/trace", []string{"live", "service/internal/handled", "go.opentelemetry.io/otel", "go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes"}},
	{"service/trace/otlp", []string{"live", "service/trace", "go.opentelemetry.io/otel/..."}},
	{"service/api", []string{"live", "live/protocol"}},
	{"service/console", slices.Concat(belowWS, []string{"live", "live/protocol"})},
	{"bridge", slices.Concat(belowWS, []string{"golang.org/x/sys/unix"})},
	{"gallery", slices.Concat(belowWS, []string{"live"})},
	{"cmd/...", []string{"anything", "cmd/..."}},
	{"examples/...", []string{"anything"}},
}

// testAids is what any test may import, whatever its package may. Tests of conformance may not use those of this
// module.
var testAids = []string{
	"live/livetest",           // what every broker must pass
	"live/protocol", "client", // a hub's guarantees are its clients' too
	"ws", "ws/frame", "ws/deflate", "ws/engine", "ws/wstest", "ws/tunnel", "conformance",
	"go.uber.org/goleak",
	"go.opentelemetry.io/otel/sdk/...", // what a package that knows the API alone makes of spans
	"golang.org/x/net/nettest",
	"golang.org/x/sys/unix", // what system calls were made
	"github.com/chromedp/...",
	"github.com/rogpeppe/go-internal/testscript",
	"github.com/fxamacker/cbor/v2",
	"github.com/getkin/kin-openapi/...",
	"github.com/goccy/go-yaml",
}

func TestImports(t *testing.T) {
	packages := packagesOf(t, ".")
	if len(packages) < 2 {
		t.Fatalf("found only %d packages: is the test run in the root of the repository?", len(packages))
	}
	for _, p := range packages {
		for _, problem := range violations(p) {
			t.Error(problem)
		}
	}
}

// TestImportTableRefuses breaks the table in each way there is, so that TestImports is known to notice.
func TestImportTableRefuses(t *testing.T) {
	own := module + "/"
	for _, tc := range []struct {
		name     string
		pkg      goPackage
		problems int
	}{
		{"no row", goPackage{name: "util"}, 1},
		{"no row below a row", goPackage{name: "ws/extra"}, 1},
		{"standard library", goPackage{name: "ws/frame", imports: []string{"io", "math/bits"}}, 0},
		{"upwards", goPackage{name: "ws/frame", imports: []string{own + "ws/deflate"}}, 1},
		{"sideways", goPackage{name: "live", imports: []string{own + "client"}}, 1},
		{"allowed", goPackage{name: "ws", imports: []string{own + "ws/frame", "golang.org/x/net/proxy"}}, 0},
		{"sibling of what is allowed", goPackage{name: "ws", imports: []string{"golang.org/x/net/proxyserver"}}, 1},
		{"below a pattern", goPackage{name: "ws/engine", imports: []string{"golang.org/x/sys/unix"}}, 0},
		{"cgo", goPackage{name: "ws", imports: []string{"C"}}, 1},
		{"anything", goPackage{name: "cmd/tidewire", imports: []string{own + "web", own + "ws", "example.org/kong"}}, 0},
		{"anything is not what stands below", goPackage{name: "web", imports: []string{own + "cmd/tidewire"}}, 1},
		{"examples of each other", goPackage{name: "examples/echo", imports: []string{own + "examples/chat"}}, 1},
		{"test aid in code", goPackage{name: "ws", imports: []string{"go.uber.org/goleak"}}, 1},
		{"test aid in a test", goPackage{name: "ws", testImports: []string{"go.uber.org/goleak", own + "ws/wstest"}}, 0},
		{"own package in its test", goPackage{name: "client/callback", testImports: []string{own + "client/callback"}}, 0},
		{"other package in a test", goPackage{name: "ws", testImports: []string{own + "live"}}, 1},
		{"conformance and ws", goPackage{name: "conformance", imports: []string{own + "ws", own + "ws/frame"}}, 2},
		{"conformance's tests and ws", goPackage{name: "conformance", testImports: []string{own + "ws"}}, 1},
		{"conformance and deflate", goPackage{name: "conformance", imports: []string{"github.com/klauspost/compress/flate"}}, 1},
		{"conformance and its own", goPackage{name: "conformance/report", imports: []string{own + "conformance", "compress/flate"}}, 0},
	} {
		if got := violations(tc.pkg); len(got) != tc.problems {
			t.Errorf("%s: %d problems, want %d: %q", tc.name, len(got), tc.problems, got)
		}
	}
}

// A goPackage is a folder with Go files and what they import, for every platform and build tag together.
type goPackage struct {
	name        string // the folder, relative to the root of the module
	imports     []string
	testImports []string
}

// violations names each import of p that the table does not allow.
func violations(p goPackage) []string {
	i := slices.IndexFunc(table, func(r row) bool { return matches(r.pkg, p.name) })
	if i < 0 {
		return []string{fmt.Sprintf("package %s has no row in the import table: add a row to the table in imports_test.go", p.name)}
	}
	var problems []string
	for _, name := range p.imports {
		if !allowed(table[i].imports, i, name) {
			problems = append(problems, fmt.Sprintf("package %s may not import %s: see its row in imports_test.go", p.name, name))
		}
	}
	aids := append(slices.Clone(testAids), p.name)
	if matches("conformance/...", p.name) {
		aids = []string{p.name, "go.uber.org/goleak"}
	}
	for _, name := range p.testImports {
		if !allowed(table[i].imports, i, name) && !allowed(aids, i, name) {
			problems = append(problems, fmt.Sprintf("the tests of package %s may not import %s: see its row and testAids in imports_test.go", p.name, name))
		}
	}
	return problems
}

// allowed reports whether the patterns, which belong to the table's row i, allow the import.
func allowed(patterns []string, i int, name string) bool {
	own, isOwn := strings.CutPrefix(name, module+"/")
	if isOwn {
		name = own
	} else if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return name != "C" // the standard library; cgo is nobody's
	}
	for _, pattern := range patterns {
		switch {
		case matches(pattern, name):
			return true
		case pattern == "anything" && !isOwn:
			return true
		case pattern == "anything" && slices.ContainsFunc(table[:i], func(r row) bool { return matches(r.pkg, name) }):
			return true
		}
	}
	return false
}

// matches reports whether the pattern, a name or "name/...", stands for the package.
func matches(pattern, name string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == root || strings.HasPrefix(name, root+"/")
	}
	return pattern == name
}

// packagesOf reads the imports of every package of the module at root but the one in the root itself. It reads the
// files instead of asking the go command, which shows the files of one platform at a time. Nested modules have
// requirements of their own and are left out, as are folders that the go command does not look into.
func packagesOf(t *testing.T, root string) []goPackage {
	t.Helper()
	found := map[string]*goPackage{}
	for _, file := range goFiles(t, root) {
		name := path.Dir(file)
		if name == "." {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		if found[name] == nil {
			found[name] = &goPackage{name: name}
		}
		p := found[name]
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			list := &p.imports
			if strings.HasSuffix(file, "_test.go") {
				list = &p.testImports
			}
			if !slices.Contains(*list, imported) {
				*list = append(*list, imported)
			}
		}
	}
	var packages []goPackage
	for _, name := range slices.Sorted(maps.Keys(found)) {
		packages = append(packages, *found[name])
	}
	return packages
}

// goFiles lists the Go files of the module at root, by slash-separated paths relative to it.
func goFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		switch {
		case name == root:
		case entry.IsDir() && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir():
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return filepath.SkipDir
			}
		case strings.HasSuffix(base, ".go"):
			relative, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
