package tidewire_test

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestDiscipline reads every test file of the module and holds it to the rules in CONTRIBUTING.md: no test is
// skipped, and what cannot run under the race detector is left out of its builds by a build constraint.
func TestDiscipline(t *testing.T) {
	read := 0
	for _, name := range goFiles(t, ".") {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		read++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range undisciplined(set, file) {
			t.Error(problem)
		}
	}
	if read == 0 {
		t.Error("found no test file")
	}
}

func TestDisciplineRefuses(t *testing.T) {
	const head = "package p\n\nimport \"testing\"\n\n"
	for _, tc := range []struct {
		name     string
		source   string
		problems int
	}{
		{"plain test", head + "func TestEcho(t *testing.T) { t.Log() }", 0},
		{"skip", head + "func TestEcho(t *testing.T) { t.Skip() }", 1},
		{"skip with words", head + "func FuzzEcho(f *testing.F) { f.Fuzz(func(t *testing.T) { t.Skipf(``) }) }", 1},
		{"short", head + "func TestEcho(t *testing.T) { if testing.Short() { t.SkipNow() } }", 2},
		{"another Skip", head + "func TestEcho(t *testing.T) { scanner.Skip() }", 0},
		{"mass under race", head + "func TestMassEcho(t *testing.T) {}", 1},
		{"mass without race", "//go:build !race\n\n" + head + "func TestMassEcho(t *testing.T) {}", 0},
		{"mass on one system", "//go:build linux && !race\n\n" + head + "func TestMassEcho(t *testing.T) {}", 0},
		{"mass with the wrong constraint", "//go:build !windows\n\n" + head + "func TestMassEcho(t *testing.T) {}", 1},
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "echo_test.go", tc.source, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if got := undisciplined(set, file); len(got) != tc.problems {
			t.Errorf("%s: %d problems, want %d: %q", tc.name, len(got), tc.problems, got)
		}
	}
}

// undisciplined names each place of a test file that breaks a rule.
func undisciplined(set *token.FileSet, file *ast.File) []string {
	var problems []string
	complain := func(node ast.Node, text string) {
		problems = append(problems, fmt.Sprintf("%s: %s", set.Position(node.Pos()), text))
	}
	underRace := builtUnderRace(file)
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && underRace && strings.HasPrefix(f.Name.Name, "TestMass") {
			complain(f, f.Name.Name+" belongs into a file that begins with //go:build !race: the race detector dies near 8,100 goroutines")
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		on, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch what := on.Name + "." + selector.Sel.Name; what {
		case "t.Skip", "t.Skipf", "t.SkipNow", "tb.Skip", "tb.Skipf", "tb.SkipNow", "b.Skip", "b.Skipf", "b.SkipNow",
			"f.Skip", "f.Skipf", "f.SkipNow", "testing.Short":
			complain(node, what+": a test that does not run proves nothing; use a build constraint, or install what is missing in ./test")
		}
		return true
	})
	return problems
}

// builtUnderRace reports whether `go test -race` compiles the file on a platform that fulfils the rest of its
// build constraint.
func builtUnderRace(file *ast.File) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, comment := range group.List {
			if !constraint.IsGoBuild(comment.Text) {
				continue
			}
			expr, err := constraint.Parse(comment.Text)
			if err != nil {
				return true
			}
			tags := map[string]bool{}
			collect(expr, tags)
			return satisfiable(expr, tags, map[string]bool{"race": true})
		}
	}
	return true
}

// collect adds the names of all tags in expr.
func collect(expr constraint.Expr, tags map[string]bool) {
	switch x := expr.(type) {
	case *constraint.TagExpr:
		tags[x.Tag] = true
	case *constraint.NotExpr:
		collect(x.X, tags)
	case *constraint.AndExpr:
		collect(x.X, tags)
		collect(x.Y, tags)
	case *constraint.OrExpr:
		collect(x.X, tags)
		collect(x.Y, tags)
	}
}

// satisfiable reports whether some choice for the tags not yet in fixed makes expr true.
func satisfiable(expr constraint.Expr, tags, fixed map[string]bool) bool {
	for tag := range tags {
		if _, ok := fixed[tag]; ok {
			continue
		}
		for _, value := range []bool{true, false} {
			fixed[tag] = value
			if satisfiable(expr, tags, fixed) {
				return true
			}
		}
		delete(fixed, tag)
		return false
	}
	return expr.Eval(func(tag string) bool { return fixed[tag] })
}
