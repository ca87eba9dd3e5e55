package talk

import (
	"errors"
	"io"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// Typed yields what a person types. leave is called when that is over by Ctrl-C.
func Typed(p *terminal.Prompt, s *Screen, form Form, leave func()) *Input {
	in := newInput(waiting)
	go func() {
		defer p.Guard()
		defer p.Close() // from here on Ctrl-C is a signal again
		in.end(in.typed(p, s, form, leave))
	}()
	return in
}

func (in *Input) typed(p *terminal.Prompt, s *Screen, form Form, leave func()) error {
	for {
		text, err := p.ReadLine()
		if errors.Is(err, terminal.ErrLeave) {
			leave()
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		it, err := ParseItem([]byte(text), form, true)
		if err != nil {
			s.Note("not sent: %v", err)
			continue
		}
		select {
		case in.items <- it:
		case <-in.stop:
			return nil
		default:
			s.Note("not sent: %d lines wait for the connection already", waiting)
		}
	}
}
