package token

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth is how deep the JSON of a token may be nested.
const maxDepth = 16

// object is a JSON object whose names are exact and occur once. encoding/json alone takes the last of several
// and, for a struct, names in any case: two readers of one token could see two users.
type object map[string]json.RawMessage

// parseObject reads an object, at most depth deep, itself included. Its errors hold nothing of data.
func parseObject(data []byte, depth int) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if err := checkNames(data, depth); err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, errors.New("no JSON object")
	}
	return o, nil
}

// checkNames walks through data and refuses a name that occurs twice in one object, and too deep a nesting. (The tokens of
// a json.Decoder would do as well, with ten times the allocations.)
func checkNames(data []byte, depth int) error {
	if !json.Valid(data) {
		return errors.New("no JSON")
	}
	type level struct {
		names map[string]bool // nil for an array
		name  bool            // the next string is a name
	}
	var levels []level
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			levels = append(levels, level{map[string]bool{}, true})
		case '[':
			levels = append(levels, level{})
		case '}', ']':
			levels = levels[:len(levels)-1]
		case ',':
			top := &levels[len(levels)-1]
			top.name = top.names != nil
		case '"':
			from := i
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if len(levels) == 0 || !levels[len(levels)-1].name {
				break
			}
			top := &levels[len(levels)-1]
			name := string(data[from+1 : i])
			if strings.Contains(name, `\`) && json.Unmarshal(data[from:i+1], &name) != nil {
				return errors.New("no JSON")
			}
			if top.names[name] {
				return errors.New("a name occurs twice")
			}
			top.names[name], top.name = true, false
		}
		if len(levels) > depth {
			return errors.New("nested too deep")
		}
	}
	return nil
}

// text returns a member that must be a string; "" if there is none.
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	return asText(raw, name)
}

func asText(raw json.RawMessage, name string) (s string, err error) {
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", errors.New(name + " is no string")
	}
	return s, nil
}

// texts returns a member that must be an array of strings, or one string; nil if there is none.
func (o object) texts(name string, alone bool) ([]string, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	if alone && raw[0] == '"' {
		s, err := asText(raw, name)
		return []string{s}, err
	}
	var all []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &all) != nil {
		return nil, errors.New(name + " is no array")
	}
	list := make([]string, 0, len(all))
	for _, one := range all {
		s, err := asText(one, name+"'s element")
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// date returns a member that must be seconds since 1970; nil if there is none.
func (o object) date(name string) (*time.Time, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	const year10000 = 253402300800
	f, err := strconv.ParseFloat(string(raw), 64) // what is JSON and can be parsed so is a number
	if err != nil || !(f >= 0 && f < year10000) {
		return nil, errors.New(name + " is no date in seconds since 1970")
	}
	whole, part := math.Modf(f)
	t := time.Unix(int64(whole), int64(part*1e9))
	return &t, nil
}
