package configfile

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// unknown says what a key might have been.
func (c *File) unknown(key string) string {
	switch command := owner(c.app, key); command {
	case "":
	case c.app.Name: // --help
		return key + " is for the command line, not for a file"
	default:
		return fmt.Sprintf("%s is a flag of %q, and this file is for %q", key, command, c.command)
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
	return fmt.Sprintf("there is no flag %s (see %s --help)", key, c.command)
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
