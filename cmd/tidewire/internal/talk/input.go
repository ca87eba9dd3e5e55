package talk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
)

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

// Nothing yields nothing and does not end before Stop.
func Nothing() *Input {
	in := newInput(0)
	go func() {
		<-in.stop
		in.end(nil)
	}()
	return in
}
