// Package configfile reads a command's flags from a file in YAML, as a resolver of kong, and prints them as such a file. What is wrong
// in a file is said with its line and column.
package configfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A File is what --config names: flags of one command by their names, in YAML. Mappings within join with "-".
// It is kong's resolver: a flag on the command line and one in the environment come before it.
type File struct {
	name   string
	values map[string]*setting // by the flag's name

	flags   map[string]*kong.Flag // what may be in it
	app     *kong.Node
	command string // whose flags these are, as it is called
}

// A setting is one flag in a File.
type setting struct {
	value any // as kong's mappers take it
	at    *token.Position
	used  bool
}

// An Error says where in which file something is wrong; nowhere in one that cannot be read.
type Error struct {
	file string
	at   *token.Position
	what string
}

func (e *Error) Error() string {
	if e.at == nil {
		return "--config: " + e.what
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.file, e.at.Line, e.at.Column, e.what)
}

// Read reads the file for the command that ctx has found. What is wrong with it is an error although
// a flag or the environment may come before it.
func Read(name string, ctx *kong.Context) (*File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, &Error{what: err.Error()}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, &Error{what: err.Error()}
	}
	return Parse(name, text, ctx)
}

// What the YAML parser holds grows with the square of how deep a file nests: 400 KB of brackets took 24 GB. So a file is
// bounded by its size and by the bytes with which nesting can begin.
const (
	maxConfig = 64 << 10
	maxNested = 1000
)

// Parse is Read for a text that comes from the file of that name.
func Parse(name string, text []byte, ctx *kong.Context) (*File, error) {
	if len(text) > maxConfig {
		return nil, &Error{what: fmt.Sprintf("%s is larger than %d bytes", name, maxConfig)}
	}
	nested := 0
	for _, begin := range []string{"[", "{", "- ", "-\t", "? ", "?\t", "! ", "& "} {
		nested += bytes.Count(text, []byte(begin))
	}
	if nested > maxNested {
		return nil, &Error{what: fmt.Sprintf("%s has more than %d lists and mappings", name, maxNested)}
	}
	c := &File{name: name, values: map[string]*setting{}, flags: map[string]*kong.Flag{}, app: ctx.Model.Node, command: ctx.Selected().FullPath()}
	for _, flag := range Flags(ctx) {
		c.flags[flag.Name] = flag
	}
	text = []byte(strings.TrimPrefix(string(text), "\ufeff"))
	// What is there twice is found below, where nesting counts too.
	parsed, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	var bad yaml.Error
	if errors.As(err, &bad) && bad.GetToken() != nil {
		return nil, &Error{name, bad.GetToken().Position, "not YAML: " + bad.GetMessage()}
	} else if err != nil {
		return nil, &Error{what: name + ": not YAML: " + err.Error()}
	}
	for i, doc := range parsed.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			if i > 0 {
				return nil, &Error{name, startOf(body), "a second document: the file must be one"}
			}
			if err := c.add("", body); err != nil {
				return nil, err
			}
		default:
			return nil, &Error{name, startOf(body), "this is " + kind(body) + `; the file must be flags and their values, such as "addr: 127.0.0.1:8080"`}
		}
	}
	return c, nil
}

// add reads the mapping of what begins with prefix.
func (c *File) add(prefix string, m *ast.MappingNode) error {
	for _, pair := range m.Values {
		at := startOf(pair.Key)
		fail := func(format string, args ...any) error {
			return &Error{c.name, at, fmt.Sprintf(format, args...)}
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

// Flags are the flags of the command that ctx has found, behind those of all commands, without --help.
func Flags(ctx *kong.Context) (flags []*kong.Flag) {
	for _, path := range ctx.Path {
		for _, flag := range path.Flags {
			if flag.Name != "help" {
				flags = append(flags, flag)
			}
		}
	}
	return flags
}

// names are those of the flags that may be in the file.
func (c *File) names() (list []string) {
	for name, flag := range c.flags {
		if flag.Tag.Get("config") != "-" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// Validate is kong's hook.
func (c *File) Validate(*kong.Application) error { return nil }

// Resolve is kong's hook for each flag that the command line has not.
func (c *File) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	s := c.values[flag.Name]
	if s == nil || slices.ContainsFunc(flag.Tag.Envs, func(name string) bool { _, ok := os.LookupEnv(name); return ok }) {
		return nil, nil
	}
	s.used = true
	return s.value, nil
}

var flagName = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// Cite says where the file gave what an error complains about, or "".
func (c *File) Cite(err error) string {
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
