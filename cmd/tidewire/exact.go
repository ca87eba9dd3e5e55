package main

import "github.com/alecthomas/kong"

// exact is a string as it is given. kong passes others through JSON, which has nothing that is not UTF-8.
type exact string

// Decode is for kong.
func (e *exact) Decode(ctx *kong.DecodeContext) error {
	value, err := ctx.Scan.PopValue("string")
	if err != nil {
		return err
	}
	*e = exact(value.String())
	return nil
}
