package protocol

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// misfit says why data cannot be decoded into v, in words for who sent it: JSON's types, and none of Go's.
func (c Codec) misfit(data []byte, v any, err error) *Error {
	if c == CBOR {
		if text, bad := Convert(data, CBOR, JSON); bad == nil {
			if as := json.Unmarshal(text, reflect.New(reflect.TypeOf(v).Elem()).Interface()); as != nil {
				err = as
			}
		}
	}
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return Errorf(CodeInvalid, "data: %s", err)
	}
	where := "data"
	if kind.Field != "" {
		where += "." + kind.Field
	}
	return Errorf(CodeInvalid, "%s is %s, where %s is wanted", where, found(kind.Value), wanted(kind.Type))
}

// found names what encoding/json has found.
func found(value string) string {
	switch value {
	case "array", "object":
		return "an " + value
	case "bool":
		return "a boolean"
	case "number", "string":
		return "a " + value
	}
	if len(value) > 40 { // "number ", and one that somebody has sent
		return "a number"
	}
	return "the " + value
}

// wanted names what encoding/json decodes into a type.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "a string"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "a boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fmt.Sprintf("a whole number of %d bits, not below 0,", t.Bits())
	case reflect.Float32, reflect.Float64:
		return fmt.Sprintf("a number of %d bits", t.Bits())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a string of base64"
		}
		return "an array"
	case reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	}
	return "something else"
}
