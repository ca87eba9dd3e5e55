package terminal

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// PromptOptions configures a Prompt.
type PromptOptions struct {
	// Width returns how many columns the terminal has. nil means 80.
	Width func() int

	// Begin has the terminal hand over each key as it is pressed, and show none of
	// them; what it returns undoes that. nil means that it does so already.
	Begin func() (end func(), err error)

	// Suspend stops the process, until it is told to go on. It is called for Ctrl-Z,
	// with the terminal given back meanwhile. nil has that key do nothing.
	Suspend func()

	// History is what was typed before. nil means nothing, for this run alone.
	History *History

	// Complete returns what the line may become when Tab is pressed. nil means
	// nothing.
	Complete func(line string) []string

	// Colour is used for the mark in front of the line.
	Colour bool
}

// Prompt is a line at the bottom of a terminal that a person edits. It takes one
// row, in which a long line is moved to and fro; what is printed meanwhile
// appears above it. Its methods may be called from any goroutine, ReadLine from
// one.
type Prompt struct {
	in  io.Reader
	out io.Writer
	o   PromptOptions

	mu      sync.Mutex // guards what follows
	line    line
	mark    string // in front of it
	shown   bool   // the row is on the screen
	column  int    // where the cursor was left
	row     int    // how many columns the row had
	end     func() // undoes Begin; nil: is undone
	closed  bool
	recall  int    // which line of the history is shown; -1: none
	kept    string // what was typed before that
	search  *string
	found   int // by search; -1: nothing
	tooLong bool

	// For ReadLine.
	buf    []byte
	pasted bool
}

// maxLine bounds a line that is typed or pasted, in bytes.
const maxLine = 1 << 20

const mark = "> "

// NewPrompt shows nothing before ReadLine. Close must be called.
func NewPrompt(in io.Reader, out io.Writer, o PromptOptions) (*Prompt, error) {
	if o.Width == nil {
		o.Width = func() int { return 80 }
	}
	if o.History == nil {
		o.History = &History{}
	}
	p := &Prompt{in: in, out: out, o: o, recall: -1, mark: mark}
	if err := p.begin(); err != nil {
		return nil, err
	}
	return p, nil
}

// begin takes the terminal.
func (p *Prompt) begin() error {
	if p.o.Begin != nil {
		end, err := p.o.Begin()
		if err != nil {
			return fmt.Errorf("the terminal cannot be read key by key: %w", err)
		}
		p.end = end
	}
	p.write("\x1b[?2004h") // tell what is pasted from what is typed
	return nil
}

// giveBack wipes the line, and gives the terminal back as it was.
func (p *Prompt) giveBack() {
	p.write(p.wiped() + "\x1b[?2004l")
	if p.end != nil {
		p.end()
		p.end = nil
	}
}

// Close wipes the line and gives the terminal back as it was. It may be called
// more than once. A ReadLine that waits for a key goes on waiting.
func (p *Prompt) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.giveBack()
}

// Guard closes the Prompt before a panic ends the process: to be deferred by each
// goroutine that runs while there is one. p may be nil.
func (p *Prompt) Guard() {
	if v := recover(); v != nil {
		if p != nil {
			p.Close()
		}
		panic(v)
	}
}

// Print writes text, which ends with a line break, above the line.
func (p *Prompt) Print(text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.write(text)
	}
	return p.write(p.wiped() + crlf(text) + p.painted())
}

// Redraw draws the line anew, as when the terminal has another size.
func (p *Prompt) Redraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown && !p.closed {
		p.write(p.wiped() + p.painted())
	}
}

func (p *Prompt) write(text string) error {
	_, err := io.WriteString(p.out, text)
	return err
}

// above writes text, which ends with a line break, where the row is, which is to be painted anew then.
func (p *Prompt) above(text string) { p.write(p.wiped() + crlf(text)) }

// wiped is what takes the row off the screen.
func (p *Prompt) wiped() string {
	if !p.shown {
		return ""
	}
	up := ""
	if width := p.width(); p.row > width { // terminals break a row that has become too long
		if n := p.column / width; n > 0 {
			up = fmt.Sprintf("\x1b[%dA", n)
		}
	}
	p.shown = false
	return "\r" + up + "\x1b[J"
}

func (p *Prompt) width() int { return max(8, p.o.Width()) }

// painted is what puts the row on the screen.
func (p *Prompt) painted() string {
	before := p.mark
	if p.search != nil {
		before = fmt.Sprintf("(search %q) ", *p.search)
	}
	width := p.width()
	before = head(before, width/2)
	used := uniseg.StringWidth(before)
	// The last column stays empty: a terminal may or may not go to the next row behind it.
	shown, column := p.line.window(width - used - 1)
	p.shown, p.column, p.row = true, used+column, used+uniseg.StringWidth(shown)
	if p.o.Colour {
		before = Green + before + Plain
	}
	s := "\r" + before + shown + "\r"
	if p.column > 0 {
		s += fmt.Sprintf("\x1b[%dC", p.column)
	}
	return s
}

// ErrLeave is what ReadLine returns for Ctrl-C.
var ErrLeave = errors.New("Ctrl-C was pressed")

// ReadLine returns the next line that a person has typed: io.EOF for Ctrl-D on an
// empty line, and when the terminal has gone.
func (p *Prompt) ReadLine() (string, error) {
	p.mu.Lock()
	if !p.closed {
		p.write(p.wiped() + p.painted())
	}
	p.mu.Unlock()
	var chunk [4096]byte
	for {
		text, done, err := p.press()
		if done || err != nil {
			return text, err
		}
		n, err := p.in.Read(chunk[:])
		p.buf = append(p.buf, chunk[:n]...)
		if err != nil && n == 0 {
			return "", io.EOF
		}
	}
}

// press handles the keys that have come, up to one that ends the line.
func (p *Prompt) press() (text string, done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return "", false, io.EOF
	}
	var typed []byte // goes into the line together: rune by rune a long paste takes minutes
	for {
		k, n := parseKey(p.buf, p.pasted)
		if n > 0 && k >= 0 && p.search == nil {
			typed = appendTyped(typed, rune(k))
			p.buf = p.buf[n:]
			continue
		}
		p.insert(string(typed))
		typed = typed[:0]
		if n == 0 {
			break
		}
		p.buf = p.buf[n:]
		text, done, err = p.handle(k)
		if done || err != nil {
			break
		}
	}
	if !done && err == nil {
		p.write(p.wiped() + p.painted())
	}
	return text, done, err
}

// handle handles one key.
func (p *Prompt) handle(k key) (text string, done bool, err error) {
	if p.search != nil && p.searchFor(k) {
		return "", false, nil
	}
	l := &p.line
	switch k {
	case keyLeave:
		return "", false, ErrLeave
	case keySuspend:
		if p.o.Suspend != nil {
			p.giveBack()
			p.o.Suspend()
			return "", false, p.begin()
		}
	case keyEOF:
		if l.String() == "" {
			return "", false, io.EOF
		}
		l.behind = l.behind[firstCharacter(l.behind):]
	case keyEnter:
		return p.enter(), true, nil
	case keyPaste, keyPasteEnd:
		p.pasted = k == keyPaste
	case keyNewLine:
		p.insert("\n")
	case keyBackspace:
		l.before = l.before[:len(l.before)-lastCharacter(l.before)]
	case keyDelete:
		l.behind = l.behind[firstCharacter(l.behind):]
	case keyLeft, keyRight:
		l.move(k == keyLeft, false)
	case keyWordLeft, keyWordRight:
		l.move(k == keyWordLeft, true)
	case keyHome:
		*l = line{behind: l.String()}
	case keyEnd:
		*l = newLine(l.String())
	case keyUp:
		p.recallLine(p.recall + 1)
	case keyDown:
		p.recallLine(p.recall - 1)
	case keyKill:
		l.behind = ""
	case keyKillBefore:
		l.before = ""
	case keyKillWord:
		l.before = l.before[:wordStart(l.before)]
	case keyTranspose:
		l.transpose()
	case keyClear:
		p.shown = false
		p.write("\x1b[2J\x1b[H")
	case keyTab:
		p.complete()
	case keySearch:
		empty := ""
		p.search, p.found = &empty, -1
		p.kept = l.String()
	default:
		if k >= 0 {
			p.insert(string(appendTyped(nil, rune(k))))
		}
	}
	return "", false, nil
}

// enter ends the line, and leaves it on the screen in full.
func (p *Prompt) enter() string {
	text := p.line.String()
	p.line, p.recall, p.kept, p.tooLong = line{}, -1, "", false
	show := p.mark
	if p.o.Colour {
		show = Green + show + Plain
	}
	show += strings.ReplaceAll(Escape([]byte(text)), "\n", "\n  ")
	p.above(show + "\n")
	if err := p.o.History.Add(text); err != nil {
		p.above(fmt.Sprintf("* the history cannot be kept: %v (--no-history)\n", err))
	}
	return text
}

// appendTyped appends what of a rune goes into a line.
func appendTyped(b []byte, r rune) []byte {
	switch {
	case r == '\r':
		r = '\n' // of a paste
	case r == 0 || r < ' ' && r != '\n' && r != '\t':
		return b
	}
	return utf8.AppendRune(b, r)
}

// insert puts text into the line, as far as there is room for it.
func (p *Prompt) insert(text string) {
	if room := maxLine - len(p.line.before) - len(p.line.behind); len(text) > room {
		text = firstBytes(text, max(0, room))
		if !p.tooLong {
			p.tooLong = true
			p.above(fmt.Sprintf("* a line has %d bytes at most: the rest is not in it (send longer messages through a pipe)\n", maxLine))
		}
	}
	p.line.insert(text)
}

// recallLine shows a line of the history, 0 being the latest.
func (p *Prompt) recallLine(i int) {
	switch {
	case i < -1 || i >= p.o.History.Len():
		return
	case p.recall == -1:
		p.kept = p.line.String()
	}
	p.recall = i
	if i == -1 {
		p.line = newLine(p.kept)
		return
	}
	p.line = newLine(p.o.History.At(i))
}

// searchFor handles a key while the history is searched, and reports whether that
// was all. What it does not know ends the search with what was found.
func (p *Prompt) searchFor(k key) bool {
	text := *p.search
	from := max(p.found, 0)
	switch {
	case k == keySearch:
		from = p.found + 1
	case k == keyBackspace:
		text = text[:len(text)-lastCharacter(text)]
		from = 0
	case k >= ' ' && len(text) < 256:
		text += string(rune(k))
	case k == keyLeave:
		p.search = nil
		p.line = newLine(p.kept)
		return true
	default:
		p.search, p.recall = nil, p.found
		return false
	}
	p.search = &text
	for i := from; text != "" && i < p.o.History.Len(); i++ {
		if entry := p.o.History.At(i); strings.Contains(entry, text) {
			p.found, p.line = i, newLine(entry)
			break
		}
	}
	return true
}

// complete completes the line as far as that is sure, and shows what it may become.
func (p *Prompt) complete() {
	if p.o.Complete == nil || p.line.behind != "" {
		return
	}
	all := p.o.Complete(p.line.before)
	if len(all) == 0 {
		return
	}
	common := all[0]
	for _, other := range all[1:] {
		for !strings.HasPrefix(other, common) {
			common = common[:len(common)-1]
		}
	}
	switch {
	case len(all) == 1:
		p.line.before = common + " "
	case common != p.line.before:
		p.line.before = common
	default:
		p.above(strings.Join(all, "  ") + "\n")
	}
}

// crlf makes line breaks of a terminal in raw mode.
func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }
