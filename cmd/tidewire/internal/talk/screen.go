package talk

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// Screen shows what comes: to a person at a terminal, or to a pipe, which gets
// every byte as it came. Its methods may be called from any goroutine.
type Screen struct {
	// Out takes messages, and Err all else. Where Prompt is set it takes both.
	Out, Err io.Writer

	// Prompt is where a person types; nil means that nobody does.
	Prompt *terminal.Prompt

	// Terminal says that Out is one.
	Terminal bool

	// Colour is used in what a terminal shows.
	Colour bool

	Form   Form   // of binary messages; Text shows them as they are to a pipe, and in hex to a person
	NUL    bool   // a NUL ends each message instead of a line break
	Pretty Pretty // of text messages

	mu   sync.Mutex // guards what follows
	line []byte     // what is written
}

// outlet is Out where it is one.
func (s *Screen) outlet() *Outlet {
	o, _ := s.Out.(*Outlet)
	return o
}

// Hurry has Out and Err, where they are Outlets, hurry: the end may not wait for who reads them.
func (s *Screen) Hurry() {
	for _, w := range []io.Writer{s.Out, s.Err} {
		if o, ok := w.(*Outlet); ok {
			o.Hurry()
		}
	}
}

// Received shows a message of the peer's. A pipe may get it later: see Flush.
func (s *Screen) Received(m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.Terminal && m.Person == nil:
		return s.show(s.paint(terminal.Cyan, "<"), m)
	case s.Terminal && m.Person.Silent:
		return nil
	case s.Terminal && m.isNote():
		return s.print(s.paint(terminal.Yellow, "* "+terminal.EscapeLine(m.Person.Text)))
	case s.Terminal:
		return s.show(s.paint(terminal.Cyan, "< "+terminal.EscapeLine(m.Person.Text)), Message{Data: m.Person.Data})
	}
	if s.Form != JSONLines && !m.Binary {
		m.Data, _ = s.Pretty.shape(m.Data, false)
	}
	line := s.Form.Append(s.line[:0], m)
	switch {
	case s.NUL:
		line = append(line, 0)
	case m.Part || m.Binary && (s.Form == Text || s.Form == Binary): // what follows follows
	default:
		line = append(line, '\n')
	}
	if s.line = line; cap(line) > maxGathered {
		s.line = nil
	}
	if o := s.outlet(); o != nil {
		return o.Put(line)
	}
	_, err := s.Out.Write(line)
	return err
}

// Flush waits until all that Received was given is written, and says whether it is.
func (s *Screen) Flush() error {
	if o := s.outlet(); o != nil {
		return o.Flush()
	}
	return nil
}

// Lost returns a channel that is closed when Flush has an error to tell, which may be long after Received.
func (s *Screen) Lost() <-chan struct{} {
	if o := s.outlet(); o != nil {
		return o.Lost()
	}
	return nil
}

// Sent shows a message that went to the peer, to a person who did not type it.
func (s *Screen) Sent(m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Terminal {
		return nil
	}
	return s.show(s.paint(terminal.Green, ">"), m)
}

// maxShown is how much of a binary message a person is shown.
const maxShown = 4 << 10

// show shows a message to a person.
func (s *Screen) show(mark string, m Message) error {
	text, isJSON := "", false
	switch {
	case s.Form == JSONLines:
		text = terminal.Escape(s.Form.Append(nil, m))
	case m.Binary && (s.Form == Hex || s.Form == Base64):
		text = string(s.Form.Append(nil, m))
	case m.Binary:
		text = fmt.Sprintf("%s%d bytes%s", s.colour(terminal.Dim), len(m.Data), s.colour(terminal.Plain))
		if len(m.Data) > 0 {
			text += "\n" + strings.TrimSuffix(hex.Dump(m.Data[:min(len(m.Data), maxShown)]), "\n")
		}
		if more := len(m.Data) - maxShown; more > 0 {
			text += fmt.Sprintf("\n… and %d more (a pipe gets them all)", more)
		}
	default:
		var shaped []byte
		shaped, isJSON = s.Pretty.shape(m.Data, true)
		text = terminal.Escape(shaped)
	}
	if isJSON && s.Colour {
		text = colourJSON(text)
	}
	return s.print(mark + " " + strings.ReplaceAll(text, "\n", "\n  "))
}

// Note says something about the conversation, in one line.
func (s *Screen) Note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := terminal.EscapeLine(fmt.Sprintf(format, args...))
	if s.Prompt != nil {
		s.Prompt.Print(s.paint(terminal.Yellow, "* "+line) + "\n")
		return
	}
	s.Flush() // where both lead to the same place
	fmt.Fprintf(s.Err, "tidewire: %s\n", line)
}

// Trace shows a line about what passes below.
func (s *Screen) Trace(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line = terminal.Escape([]byte(line))
	if s.Prompt != nil {
		s.Prompt.Print(s.paint(terminal.Dim, line) + "\n")
		return
	}
	s.Flush()
	fmt.Fprintf(s.Err, "%s\n", line)
}

// Help shows several lines to a person.
func (s *Screen) Help(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Prompt != nil {
		s.Prompt.Print(text)
		return
	}
	s.Flush()
	io.WriteString(s.Err, text)
}

// print writes lines to the terminal.
func (s *Screen) print(text string) error {
	if s.Prompt != nil {
		return s.Prompt.Print(text + "\n")
	}
	_, err := io.WriteString(s.Out, text+"\n")
	return err
}

func (s *Screen) colour(code string) string {
	if s.Colour {
		return code
	}
	return ""
}

func (s *Screen) paint(code, text string) string {
	return s.colour(code) + text + s.colour(terminal.Plain)
}
