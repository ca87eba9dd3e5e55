package gorillaswap

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAPIIsWhole compares what the two packages export: every name of gorilla's must
// be there with the same signature, field types and constant values, and no name
// that it does not have.
func TestAPIIsWhole(t *testing.T) {
	want := exported(t, strings.Trim(theirs, `"`))
	got := exported(t, strings.Trim(ours, `"`))
	if len(want) < 90 {
		t.Fatalf("found only %d exported names in gorilla", len(want))
	}
	for name, signature := range want {
		if got[name] != signature {
			t.Errorf("%s is %q, want %q", name, got[name], signature)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is not in gorilla", name)
		}
	}
}

// exported maps the exported names of a package, methods and fields included, to
// what they are.
func exported(t *testing.T, path string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.Dir}}{{range .GoFiles}}{{"\n"}}{{.}}{{end}}`, path).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", path, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	all := map[string]string{}
	set := token.NewFileSet()
	for _, name := range lines[1:] {
		file, err := parser.ParseFile(set, filepath.Join(lines[0], name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			collect(all, set, decl)
		}
	}
	return all
}

func collect(all map[string]string, set *token.FileSet, decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if !d.Name.IsExported() {
			return
		}
		if d.Recv != nil {
			receiver := show(set, d.Recv.List[0].Type)
			if !ast.IsExported(strings.TrimPrefix(receiver, "*")) {
				return
			}
			name = "(" + receiver + ")." + name
		}
		all[name] = show(set, d.Type)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for i, n := range s.Names {
					if !n.IsExported() {
						continue
					}
					all[n.Name] = d.Tok.String()
					if d.Tok == token.CONST {
						all[n.Name] = show(set, s.Values[i])
					}
				}
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					collectType(all, set, s)
				}
			}
		}
	}
}

func collectType(all map[string]string, set *token.FileSet, s *ast.TypeSpec) {
	switch typ := s.Type.(type) {
	case *ast.StructType:
		all[s.Name.Name] = "struct"
		for _, f := range typ.Fields.List {
			for _, n := range f.Names {
				if n.IsExported() {
					all[s.Name.Name+"."+n.Name] = show(set, f.Type)
				}
			}
		}
	case *ast.InterfaceType:
		all[s.Name.Name] = "interface"
		for _, f := range typ.Methods.List {
			for _, n := range f.Names {
				all[s.Name.Name+"."+n.Name] = show(set, f.Type)
			}
		}
	default:
		all[s.Name.Name] = show(set, typ)
	}
}

var emptyInterface = regexp.MustCompile(`interface\s*\{\s*\}`)

// show prints a type or value, in which the names of parameters do not count.
func show(set *token.FileSet, node ast.Node) string {
	ast.Inspect(node, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncType); ok {
			nameless(f.Params)
			nameless(f.Results)
		}
		return true
	})
	var b bytes.Buffer
	if err := printer.Fprint(&b, set, node); err != nil {
		return err.Error()
	}
	return emptyInterface.ReplaceAllString(b.String(), "any")
}

// nameless turns a list like "a, b int" into "int, int".
func nameless(l *ast.FieldList) {
	if l == nil {
		return
	}
	var list []*ast.Field
	for _, f := range l.List {
		for range max(1, len(f.Names)) {
			list = append(list, &ast.Field{Type: f.Type})
		}
	}
	l.List = list
}
