package talk

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Item is what is to be done next: a message to say, or a command.
type Item struct {
	Message
	Command string // such as "/ping"; "" for a message
}

// said is what shows the item to who has not typed it.
func (it Item) said() Message {
	if it.Command != "" {
		return Message{Data: []byte(it.Command)}
	}
	return it.Message
}

// ParseItem returns what a line stands for: a command, where there are commands and it begins with a slash that is not
// doubled, and otherwise a message of that form.
func ParseItem(line []byte, form Form, commands bool) (Item, error) {
	switch {
	case commands && bytes.HasPrefix(line, []byte("//")):
		line = line[1:]
	case commands && bytes.HasPrefix(line, []byte("/")):
		if !utf8.Valid(line) {
			return Item{}, errors.New("it is not UTF-8")
		}
		return Item{Command: string(line)}, nil
	}
	m, err := form.Parse(line)
	return Item{Message: m}, err
}
