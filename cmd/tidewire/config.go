package main

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A configFile is what --config names: flags of one command by their names, in YAML. Mappings within join with "-".
// It is kong's resolver: a flag on the command line and one in the environment come before it.
type configFile struct {
	name   string
	values map[string]*setting // by the flag's name

	flags map[string]*kong.Flag // what may be in it
	app   *kong.Node
}

// A setting is one flag in a configFile.
type setting struct {
	value any // as kong's mappers take it
	at    *token.Position
	used  bool
}

// A configError says where in which file something is wrong; nowhere in one that cannot be read.
type configError struct {
	file string
	at   *token.Position
	what string
}

func (e *configError) Error() string {
	if e.at == nil {
		return "--config: " + e.what
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.file, e.at.Line, e.at.Column, e.what)
}

// readConfig reads the file for the command that ctx has found. What is wrong with it is an error although
// a flag or the environment may come before it.
func readConfig(name string, ctx *kong.Context) (*configFile, error) {
	text, err := readBounded(name)
	if err != nil {
		return nil, &configError{what: err.Error()}
	}
	return parseConfig(name, text, ctx)
}

// What the YAML parser holds grows with the square of how deep a file nests: 400 KB of brackets took 24 GB. So a file is
// bounded by its size and by the bytes with which nesting can begin.
const (
	maxConfig = 64 << 10
	maxNested = 1000
)

func parseConfig(name string, text []byte, ctx *kong.Context) (*configFile, error) {
	if len(text) > maxConfig {
		return nil, &configError{what: fmt.Sprintf("%s is larger than %d bytes", name, maxConfig)}
	}
	nested := 0
	for _, begin := range []string{"[", "{", "- ", "-\t", "? ", "?\t", "! ", "& "} {
		nested += bytes.Count(text, []byte(begin))
	}
	if nested > maxNested {
		return nil, &configError{what: fmt.Sprintf("%s has more than %d lists and mappings", name, maxNested)}
	}
	c := &configFile{name: name, values: map[string]*setting{}, flags: map[string]*kong.Flag{}, app: ctx.Model.Node}
	for _, flag := range flagsOf(ctx) {
		c.flags[flag.Name] = flag
	}
	text = []byte(strings.TrimPrefix(string(text), "\ufeff"))
	// What is there twice is found below, where nesting counts too.
	parsed, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	var bad yaml.Error
	if errors.As(err, &bad) && bad.GetToken() != nil {
		return nil, &configError{name, bad.GetToken().Position, "not YAML: " + bad.GetMessage()}
	} else if err != nil {
		return nil, &configError{what: name + ": not YAML: " + err.Error()}
	}
	for i, doc := range parsed.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			if i > 0 {
				return nil, &configError{name, startOf(body), "a second document: the file must be one"}
			}
			if err := c.add("", body); err != nil {
				return nil, err
			}
		default:
			return nil, &configError{name, startOf(body), "this is " + kind(body) + `; the file must be flags and their values, such as "addr: 127.0.0.1:8080"`}
		}
	}
	return c, nil
}

// add reads the mapping of what begins with prefix.
func (c *configFile) add(prefix string, m *ast.MappingNode) error {
	for _, pair := range m.Values {
		at := startOf(pair.Key)
		fail := func(format string, args ...any) error {
			return &configError{c.name, at, fmt.Sprintf(format, args...)}
		}
		text, ok := pair.Key.(*ast.StringNode)
		if !ok {
			return fail("%q is no name of a flag", pair.Key.String())
		}
		key := prefix + text.Value
		flag := c.flags[key]
		if flag == nil {
			within, ok := pair.Value.(*ast.MappingNode)
			begins := func(name string) bool { return strings.HasPrefix(name, key+"-") }
			if !ok || !slices.ContainsFunc(c.names(), begins) {
				return fail("%s", c.unknown(key))
			}
			if err := c.add(key+"-", within); err != nil {
				return err
			}
			continue
		}
		if flag.Tag.Get("config") == "-" {
			return fail("%s is for the command line, not for a file", key)
		}
		if first := c.values[key]; first != nil {
			return fail("%s is given twice, first in line %d, column %d", key, first.at.Line, first.at.Column)
		}
		value, wrong, err := read(flag, pair.Value)
		if err != nil {
			at = cmp.Or(position(wrong), at)
			return fail("%s %v", key, err)
		}
		c.values[key] = &setting{value: value, at: at}
	}
	return nil
}

// read returns the value for the flag, or what of it is wrong. The error goes on from the flag's name.
func read(flag *kong.Flag, node ast.Node) (value any, wrong ast.Node, err error) {
	t := flag.Target.Type()
	want, fits := "text", ast.StringType
	_, isText := flag.Target.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case t == reflect.TypeFor[time.Duration]():
		want = "a duration such as 10s"
	case isText, t.Kind() == reflect.String:
	case t.Kind() == reflect.Bool:
		want, fits = "true or false", ast.BoolType
	case t.Kind() == reflect.Slice:
		want, fits = "a list such as [a, b]", ast.SequenceType
	}
	switch n := node.(type) {
	case *ast.StringNode:
		value = n.Value
	case *ast.LiteralNode:
		value = n.Value.Value
	case *ast.BoolNode:
		value = n.Value
	case *ast.SequenceNode:
		list := []any{}
		for _, item := range n.Values {
			s, ok := item.(*ast.StringNode)
			if !ok {
				return nil, item, fmt.Errorf("must be a list of texts, and has %s in it%s", kind(item), hint(item))
			}
			list = append(list, s.Value)
		}
		value = list
	}
	got := node.Type()
	if got == ast.LiteralType {
		got = ast.StringType
	}
	if value == nil || got != fits {
		more := ""
		if want == "text" {
			more = hint(node)
		}
		return nil, node, fmt.Errorf("must be %s, not %s%s", want, kind(node), more)
	}
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, reflect.New(t).Elem()); err != nil {
		return nil, node, fmt.Errorf("must be %s: %w", want, err)
	}
	return value, nil, nil
}

// hint says how a scalar becomes text.
func hint(n ast.Node) string {
	switch n.Type() {
	case ast.IntegerType, ast.FloatType, ast.BoolType, ast.InfinityType, ast.NanType:
		return `: write it in quotes`
	}
	return ""
}

// kind names what a node is.
func kind(n ast.Node) string {
	switch n.Type() {
	case ast.NullType:
		return "nothing"
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return "a number"
	case ast.BoolType:
		return "true or false"
	case ast.StringType, ast.LiteralType:
		return "text"
	case ast.MappingType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	}
	return "a YAML " + strings.ToLower(n.Type().String())
}

// position is where a value stands, or nil for one that is left out.
func position(n ast.Node) *token.Position {
	if n.Type() == ast.NullType {
		return nil
	}
	return startOf(n)
}

// startOf is where a node begins: for a mapping in several lines, at its first key.
func startOf(n ast.Node) *token.Position {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return startOf(m.Values[0].Key)
	}
	return n.GetToken().Position
}

// flagsOf are the flags of the command that ctx has found, behind those of all commands, without --help.
func flagsOf(ctx *kong.Context) (flags []*kong.Flag) {
	for _, path := range ctx.Path {
		for _, flag := range path.Flags {
			if flag.Name != "help" {
				flags = append(flags, flag)
			}
		}
	}
	return flags
}

// unknown says what a key might have been.
func (c *configFile) unknown(key string) string {
	switch command := owner(c.app, key); command {
	case "":
	case c.app.Name: // --help
		return key + " is for the command line, not for a file"
	default:
		return fmt.Sprintf("%s is a flag of %q, and this file is for \"tidewire serve\"", key, command)
	}
	near, least := "", 3 // as far as a typo goes
	for _, name := range c.names() {
		if d := distance(key, name); d < least {
			near, least = name, d
		}
	}
	if near != "" {
		return fmt.Sprintf("there is no flag %s, did you mean %s?", key, near)
	}
	return fmt.Sprintf("there is no flag %s (see tidewire serve --help)", key)
}

// owner is the command below node that has the flag.
func owner(node *kong.Node, name string) string {
	for _, flag := range node.Flags {
		if flag.Name == name {
			return node.FullPath()
		}
	}
	for _, child := range node.Children {
		if path := owner(child, name); path != "" {
			return path
		}
	}
	return ""
}

// names are those of the flags that may be in the file.
func (c *configFile) names() (list []string) {
	for name, flag := range c.flags {
		if flag.Tag.Get("config") != "-" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// distance is how many bytes differ: Levenshtein's.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Validate is kong's hook.
func (c *configFile) Validate(*kong.Application) error { return nil }

// Resolve is kong's hook for each flag that the command line has not.
func (c *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s := c.values[flag.Name]
	if s == nil || slices.ContainsFunc(flag.Tag.Envs, func(name string) bool { _, ok := os.LookupEnv(name); return ok }) {
		return nil, nil
	}
	s.used = true
	return s.value, nil
}

var flagName = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// cite says where the file gave what an error complains about, or "".
func (c *configFile) cite(err error) string {
	if c == nil {
		return ""
	}
	for _, name := range flagName.FindAllString(err.Error(), -1) {
		if s := c.values[name[2:]]; s != nil && s.used {
			return fmt.Sprintf(" (%s:%d:%d)", c.name, s.at.Line, s.at.Column)
		}
	}
	return ""
}

// printConfig writes the configuration that ctx has come to, as a configFile.
func printConfig(w io.Writer, ctx *kong.Context) error {
	var b strings.Builder
	for _, flag := range flagsOf(ctx) {
		if flag.Tag.Get("config") == "-" {
			continue
		}
		text := ""
		switch v := flag.Target.Interface().(type) {
		case encoding.TextMarshaler:
			t, err := v.MarshalText()
			if err != nil {
				return err
			}
			text = scalar(strings.ToLower(string(t)))
		case time.Duration:
			text = scalar(v.String())
		case string:
			text = scalar(mask(flag, v))
		case []string:
			list := make([]string, len(v))
			for i := range v {
				list[i] = quoted(mask(flag, v[i]))
			}
			text = "[" + strings.Join(list, ", ") + "]"
		default:
			text = fmt.Sprint(v)
		}
		fmt.Fprintf(&b, "%s: %s\n", flag.Name, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// scalar is s in YAML: as it is, where that is read as the same text, or in quotes.
func scalar(s string) string {
	file, err := parser.ParseBytes([]byte("k: "+s+"\n"), 0)
	if err != nil || len(file.Docs) != 1 || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return quoted(s)
	}
	m, _ := file.Docs[0].Body.(*ast.MappingNode)
	if m == nil || len(m.Values) != 1 {
		return quoted(s)
	}
	if text, ok := m.Values[0].Value.(*ast.StringNode); !ok || text.Value != s || m.Values[0].GetComment() != nil {
		return quoted(s)
	}
	return s
}

// quoted is s in YAML's double quotes, which take what JSON writes.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string is always JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
