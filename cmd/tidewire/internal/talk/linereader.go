package talk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

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
