package tidewire_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const migrationPage = "docs/migration.md"

var (
	ourBlock = regexp.MustCompile("(?ms)^```go ours\n(.*?)^```$")
	// evidence is a link whose text is a name: [`TestEcho`](../ws/conn_test.go).
	evidence = regexp.MustCompile("\\[`([^`]+)`\\]\\(([^)#]+)\\)")
)

// snippetImports are the packages that the snippets may use, by name.
var snippetImports = map[string]string{
	"ws": module + "/ws", "frame": module + "/ws/frame", "deflate": module + "/ws/deflate",
	"callback": module + "/client/callback", "websocket": module + "/compat/websocket",
	"cbor": "github.com/fxamacker/cbor/v2", "bufio": "bufio", "context": "context", "errors": "errors", "fmt": "fmt",
	"io": "io", "log": "log", "net": "net", "http": "net/http", "cookiejar": "net/http/cookiejar", "url": "net/url",
	"live": module + "/live", "client": module + "/client", "tls": "crypto/tls", "time": "time", "testing": "testing", "wstest": module + "/ws/wstest",
}

// snippetNames are what the page says its snippets may take for granted.
const snippetNames = "ctx context.Context, w http.ResponseWriter, r *http.Request, c *ws.Conn, nc net.Conn, ln net.Listener, " +
	"addr string, p []byte, v Event, everybody []*ws.Conn, hub *live.Hub"

// TestMigrationSnippets compiles and vets every snippet of ours in the migration guide, in a module that uses this
// one as its readers do.
func TestMigrationSnippets(t *testing.T) {
	page := migration(t)
	blocks := ourBlock.FindAllStringSubmatchIndex(page, -1)
	if len(blocks) < 20 || len(blocks) != strings.Count(page, "```go ours\n") || len(blocks) != strings.Count(page, "```go") {
		t.Fatalf("found %d snippets of ours: is each Go block marked \"go ours\"?", len(blocks))
	}
	files := map[string]string{}
	for i, at := range blocks {
		line := strings.Count(page[:at[2]], "\n") + 1
		source, err := snippetFile(fmt.Sprintf("snippet%d", i), page[at[2]:at[3]], line)
		if err != nil {
			t.Errorf("%s:%d: %v", migrationPage, line, err)
		}
		files[fmt.Sprintf("snippet%d.go", i)] = source
	}
	if t.Failed() {
		return
	}
	files["event.go"] = "package snippets\n\ntype Event struct{ Type, Data string }\n"
	dir := scratchModule(t, files)
	goCommand(t, dir, "mod", "tidy")
	// A snippet may end in a return, and what is declared in it is used behind that.
	goCommand(t, dir, "vet", "-unreachable=false", ".")
	goCommand(t, dir, "build", ".")
}

// TestMigrationSnippetsRefuse breaks a snippet in some ways, so that the test above is known to notice.
func TestMigrationSnippetsRefuse(t *testing.T) {
	for name, tc := range map[string]struct{ snippet, want string }{
		"sound":                  {"typ, p, err := c.Read(ctx)\n", ""},
		"declarations":           {"func f() ws.MessageType { return ws.Text }\n", ""},
		"a method that is none":  {"c.ReadMessage()\n", "ReadMessage undefined"},
		"a field that is none":   {"o := &ws.DialOptions{Timeout: 1}\n", "unknown field Timeout"},
		"too few results":        {"c, err := ws.Dial(ctx, addr, nil)\n", "assignment mismatch"},
		"a package that is none": {"fmt.Println(gorilla.Text)\n", "undefined: gorilla"},
		"no Go":                  {"c, err :=\n", "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := snippetFile("snippet", tc.snippet, 1)
			said := fmt.Sprint(err)
			if err == nil {
				dir := scratchModule(t, map[string]string{"a.go": source, "event.go": "package snippets\n\ntype Event struct{}\n"})
				goCommand(t, dir, "mod", "tidy")
				cmd := exec.CommandContext(t.Context(), "go", "build", ".")
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOWORK=off")
				out, err := cmd.CombinedOutput()
				said = string(out)
				if (err == nil) != (tc.want == "") {
					t.Errorf("go build: %v\n%s", err, out)
				}
			}
			if !strings.Contains(said, tc.want) {
				t.Errorf("%q, want %q", said, tc.want)
			}
		})
	}
}

// snippetFile makes a file of a snippet: of declarations as they are, of statements by a function around them that
// has the names of snippetNames. What the snippet declares counts as used.
func snippetFile(name, snippet string, line int) (string, error) {
	head := "package snippets\n\n"
	set := token.NewFileSet()
	body := fmt.Sprintf("//line %s:%d\n%s", migrationPage, line, snippet)
	file, err := parser.ParseFile(set, name, head+body, parser.ParseComments)
	if err != nil {
		result, last := "", ""
		wrap := func(used string) string {
			return head + "func " + name + "(" + snippetNames + ")" + result + " {\n{\n" + body + used + "}\n" + last + "}\n"
		}
		if file, err = parser.ParseFile(set, name, wrap(""), 0); err != nil {
			return "", err
		}
		inner := file.Decls[0].(*ast.FuncDecl).Body.List[0].(*ast.BlockStmt)
		if returnsError(inner) {
			result, last = " error", "return nil\n"
		}
		var used strings.Builder
		for _, name := range declared(inner) {
			used.WriteString("_ = " + name + "\n")
		}
		head = "package snippets\n\n"
		body = strings.TrimPrefix(wrap("\n"+used.String()), head)
		if file, err = parser.ParseFile(set, name, head+body, 0); err != nil {
			return "", err
		}
	}
	imports := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && x.Obj == nil && snippetImports[x.Name] != "" { // no variable of that name
				imports[x.Name] = true
			}
		}
		return true
	})
	var out bytes.Buffer
	out.WriteString(head + "import (\n")
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&out, "%s %q\n", name, snippetImports[name])
	}
	out.WriteString(")\n\n" + body)
	if _, err := format.Source(out.Bytes()); err != nil {
		return "", err
	}
	if indented, err := format.Source([]byte(snippet)); err != nil || string(indented) != snippet {
		return "", fmt.Errorf("gofmt would change the snippet (or cannot read it: %v)", err)
	}
	return out.String(), nil
}

// returnsError reports whether body returns something, functions inside it left aside.
func returnsError(body ast.Node) bool {
	found := false
	ast.Inspect(body, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			found = found || len(n.Results) > 0
		}
		return true
	})
	return found
}

// declared lists what the statements of body themselves declare.
func declared(body *ast.BlockStmt) []string {
	var names []string
	add := func(name string) {
		if name != "_" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, statement := range body.List {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				if name, ok := left.(*ast.Ident); ok && s.Tok == token.DEFINE {
					add(name.Name)
				}
			}
		case *ast.DeclStmt:
			for _, spec := range s.Decl.(*ast.GenDecl).Specs {
				if values, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range values.Names {
						add(name.Name)
					}
				}
			}
		}
	}
	return names
}

// TestMigrationEvidence looks up what the feature table names behind each of our cells: a declaration in a Go file,
// or words in any other.
func TestMigrationEvidence(t *testing.T) {
	_, table, ok := strings.Cut(migration(t), "\n## Features\n")
	if !ok {
		t.Fatal("no section Features")
	}
	rows := 0
	columns := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if columns == 0 {
			columns = len(cells)
		}
		if len(cells) != columns {
			t.Errorf("%d cells instead of %d: %s", len(cells), columns, line)
			continue
		}
		if rows++; rows <= 2 {
			continue // the head
		}
		links := evidence.FindAllStringSubmatch(cells[columns-1], -1)
		if len(links) == 0 {
			t.Errorf("nothing stands behind %q", cells[0])
		}
		for _, link := range links {
			if err := testifies(link[1], filepath.Join("docs", link[2])); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(cells[0]), err)
			}
		}
	}
	if rows < 22 {
		t.Errorf("the feature table has %d rows", rows)
	}
}

func TestMigrationEvidenceRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		ok         bool
	}{
		{"TestMigrationEvidence", "migration_test.go", true},
		{"Conn.Ping", "ws/control.go", true},
		{"DialOptions.Proxy", "ws/dialoptions.go", true},
		{"ErrTooBig", "ws/error.go", true},
		{"Before its first release", "README.md", true},
		{"TestMigrationEvidenc", "migration_test.go", false},
		{"Conn.Pong", "ws/control.go", false},
		{"DialOptions.Prox", "ws/dialoptions.go", false},
		{"Conn.Ping", "ws/ping.go", false},
		{"after its last release", "README.md", false},
	} {
		if err := testifies(tc.name, tc.file); (err == nil) != tc.ok {
			t.Errorf("%s in %s: %v", tc.name, tc.file, err)
		}
	}
}

// testifies returns an error unless the file has what is named.
func testifies(name, file string) error {
	source, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(file, ".go") {
		if !strings.Contains(string(source), name) {
			return fmt.Errorf("%s does not say %q", file, name)
		}
		return nil
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
	if err != nil {
		return err
	}
	if !slices.Contains(declarations(parsed), name) {
		return fmt.Errorf("%s does not declare %s", file, name)
	}
	return nil
}

// declarations lists what a file declares at its top, methods and fields as Type.Name.
func declarations(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				on := d.Recv.List[0].Type
				if star, ok := on.(*ast.StarExpr); ok {
					on = star.X
				}
				if on, ok := on.(*ast.Ident); ok {
					name = on.Name + "." + name
				}
			}
			names = append(names, name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range s.Names {
						names = append(names, name.Name)
					}
				case *ast.TypeSpec:
					names = append(names, s.Name.Name)
					if fields, ok := s.Type.(*ast.StructType); ok {
						for _, field := range fields.Fields.List {
							for _, name := range field.Names {
								names = append(names, s.Name.Name+"."+name.Name)
							}
						}
					}
				}
			}
		}
	}
	return names
}

func migration(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(migrationPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
