//go:build !js

package websocket

import (
	"io"
	"strings"
)

// JoinMessages returns a reader of the messages that c receives, one after the
// other, each followed by term. It is for one goroutine at a time and ends with the
// error that ends reading.
func JoinMessages(c *Conn, term string) io.Reader { return &joined{c: c, term: term} }

type joined struct {
	c       *Conn
	term    string
	message io.Reader // nil between messages
	between strings.Reader
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) {
	if j.between.Len() > 0 {
		return j.between.Read(p)
	}
	if j.message == nil {
		_, r, err := j.c.NextReader()
		if err != nil {
			return 0, err
		}
		j.message = r
	}
	n, err := j.message.Read(p)
	if err == io.EOF {
		j.message, err = nil, nil
		j.between.Reset(j.term)
	}
	return n, err
}
