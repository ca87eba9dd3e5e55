package configfile

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

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
	case isNumber(t.Kind()):
		want, fits = "a number", ast.IntegerType
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
	case *ast.IntegerNode:
		value = n.String()
	case *ast.FloatNode:
		value = n.String()
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
	switch got {
	case ast.LiteralType:
		got = ast.StringType
	case ast.FloatType:
		got = ast.IntegerType
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

func isNumber(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Float64 }

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
