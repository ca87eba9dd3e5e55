// Package object reads JSON objects whose names are exact and occur once, as what decides about permissions needs it: encoding/json
// alone takes the last of several members of one name and, for a struct, names in any case, so that two readers of one text could see
// two users.
package object

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Object is a JSON object, by its members' names.
type Object map[string]json.RawMessage

// Parse reads an object, at most depth deep, itself included. Its errors, like those of all methods, hold nothing of data.
func Parse(data []byte, depth int) (Object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if err := CheckNames(data, depth); err != nil {
		return nil, err
	}
	var o Object
	if err := json.Unmarshal(data, &o); err != nil || o == nil {
		return nil, errors.New("no JSON object")
	}
	return o, nil
}

// CheckNames walks through data and refuses a name that occurs twice in one object, and too deep a nesting. (The tokens of
// a json.Decoder would do as well, with ten times the allocations.)
func CheckNames(data []byte, depth int) error {
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

// Text returns a member that must be a string; "" if there is none.
func (o Object) Text(name string) (string, error) {
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

// Texts returns a member that must be an array of strings, or one string; nil if there is none.
func (o Object) Texts(name string, alone bool) ([]string, error) {
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

// Date returns a member that must be seconds since 1970; nil if there is none.
func (o Object) Date(name string) (*time.Time, error) {
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
