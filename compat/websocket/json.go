//go:build !js

package websocket

import (
	"bytes"
	"encoding/json"
	"io"
)

// WriteJSON sends v as JSON in a text message that ends, as json.Encoder's output
// does, with a line feed. A value that cannot be encoded sends nothing.
func (c *Conn) WriteJSON(v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return err
	}
	return c.WriteMessage(TextMessage, b.Bytes())
}

// ReadJSON reads the next message, text or binary, and decodes the first JSON value
// in it into what v points to. An empty message is io.ErrUnexpectedEOF. After an
// error of the decoder's the connection is whole.
func (c *Conn) ReadJSON(v any) error {
	_, r, err := c.NextReader()
	if err != nil {
		return err
	}
	if err = json.NewDecoder(r).Decode(v); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// WriteJSON is c.WriteJSON.
//
// Deprecated: Use c.WriteJSON.
func WriteJSON(c *Conn, v any) error { return c.WriteJSON(v) }

// ReadJSON is c.ReadJSON.
//
// Deprecated: Use c.ReadJSON.
func ReadJSON(c *Conn, v any) error { return c.ReadJSON(v) }
