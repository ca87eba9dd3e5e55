package talk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
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

// Input yields items, one after the other. What has been read and not yet taken is
// bounded.
type Input struct {
	items chan Item
	stop  chan struct{}
	once  sync.Once
	err   error // set before items is closed
}

// waiting is how many items of a person wait while there is no connection. A pipe
// is not read ahead.
const waiting = 100

func newInput(ahead int) *Input {
	return &Input{items: make(chan Item, ahead), stop: make(chan struct{})}
}

// Items yields them, and is closed at the end.
func (in *Input) Items() <-chan Item { return in.items }

// Err is why Items has been closed: nil at the end of what there is.
func (in *Input) Err() error { return in.err }

// Stop has nothing more read. A read that is under way is not waited for: one of
// a terminal or of a pipe may never end.
func (in *Input) Stop() { in.once.Do(func() { close(in.stop) }) }

var errStopped = errors.New("stopped")

func (in *Input) put(it Item) error {
	select {
	case in.items <- it:
		return nil
	case <-in.stop:
		return errStopped
	}
}

// end closes Items.
func (in *Input) end(err error) {
	if err != nil && !errors.Is(err, errStopped) && !errors.Is(err, io.EOF) {
		in.err = err
	}
	close(in.items)
}

// Piping says how a pipe is cut into messages.
type Piping struct {
	Form  Form
	NUL   bool // messages end with a NUL instead of a line break
	Whole bool // all that there is is one message

	// Commands has a line that begins with a slash be one, as where a person types, and an empty line nothing.
	Commands bool
}

// chunk is how much of a pipe is one binary message at most.
const chunk = 32 << 10

// Pipe reads r to its end.
func Pipe(r io.Reader, p Piping) *Input {
	in := newInput(0)
	go func() { in.end(in.pipe(r, p)) }()
	return in
}

func (in *Input) pipe(r io.Reader, p Piping) error {
	switch {
	case p.Whole:
		data, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
		if err != nil {
			return err
		}
		if len(data) > maxMessage {
			return fmt.Errorf("the input is longer than %d bytes, which is too long for one message: leave --whole out", maxMessage)
		}
		m, err := p.Form.Parse(data)
		if err != nil {
			return fmt.Errorf("the input cannot be sent: %w", err)
		}
		return in.put(Item{Message: m})
	case p.Form == Binary && !p.NUL:
		for {
			buf := make([]byte, chunk)
			n, err := r.Read(buf)
			if n > 0 {
				if err := in.put(Item{Message: Message{Binary: true, Data: buf[:n]}}); err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
		}
	}
	delimiter := byte('\n')
	if p.NUL {
		delimiter = 0
	}
	lines := lineReader{r: bufio.NewReaderSize(r, chunk), delimiter: delimiter, max: maxMessage}
	for {
		line, err := lines.next()
		if err != nil {
			return err
		}
		if p.Commands && len(line) == 0 {
			continue
		}
		it, err := ParseItem(line, p.Form, p.Commands)
		if err != nil {
			return fmt.Errorf("line %d of the input cannot be sent: %w", lines.number, err)
		}
		if err := in.put(it); err != nil {
			return err
		}
	}
}

// lineReader cuts a stream into lines of a bounded length, without their ends.
type lineReader struct {
	r         *bufio.Reader
	delimiter byte
	max       int
	number    int // of the latest line, from 1
}

// next returns the next line, in memory of its own, or io.EOF. The last one needs
// no end.
func (l *lineReader) next() ([]byte, error) {
	l.number++
	var line []byte
	for {
		part, err := l.r.ReadSlice(l.delimiter)
		line = append(line, part...)
		if len(line) > l.max+2 {
			return nil, fmt.Errorf("line %d is longer than %d bytes", l.number, l.max)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil:
			line = line[:len(line)-1]
			if l.delimiter == '\n' {
				line = bytes.TrimSuffix(line, []byte("\r"))
			}
			return line, nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		}
		return nil, err
	}
}

// Nothing yields nothing and does not end before Stop.
func Nothing() *Input {
	in := newInput(0)
	go func() {
		<-in.stop
		in.end(nil)
	}()
	return in
}
