package ws

import (
	"context"
	"encoding/json"
	"fmt"
)

// Codec turns values into messages and back. [JSON] and [Plain] are two; a
// Codec of your own is two functions.
type Codec struct {
	// Marshal encodes v as a message.
	Marshal func(v any) (MessageType, []byte, error)
	// Unmarshal decodes a message into v. p is v's to keep.
	Unmarshal func(typ MessageType, p []byte, v any) error
}

// JSON sends values as JSON text, and receives text or binary messages that hold
// JSON.
var JSON = Codec{
	Marshal: func(v any) (MessageType, []byte, error) {
		p, err := json.Marshal(v)
		return Text, p, err
	},
	Unmarshal: func(_ MessageType, p []byte, v any) error { return json.Unmarshal(p, v) },
}

// Plain sends a string as text and a []byte as binary, and receives into a
// *string or a *[]byte, whatever the message's type.
var Plain = Codec{
	Marshal: func(v any) (MessageType, []byte, error) {
		switch v := v.(type) {
		case string:
			return Text, []byte(v), nil
		case []byte:
			return Binary, v, nil
		}
		return 0, nil, fmt.Errorf("codec Plain cannot send a %T: want string or []byte", v)
	},
	Unmarshal: func(_ MessageType, p []byte, v any) error {
		switch v := v.(type) {
		case *string:
			*v = string(p)
			return nil
		case *[]byte:
			*v = p
			return nil
		}
		return fmt.Errorf("codec Plain cannot receive into a %T: want *string or *[]byte", v)
	},
}

// Send encodes v and writes it as one message. It may be called from any
// goroutine. An error of the codec's sends nothing.
func (cd Codec) Send(ctx context.Context, c *Conn, v any) error {
	typ, p, err := cd.Marshal(v)
	if err != nil {
		return prefixed(err)
	}
	return c.Write(ctx, typ, p)
}

// Receive reads the next message and decodes it into v. After an error of the
// codec's the connection is whole, and the next Receive reads the next message.
func (cd Codec) Receive(ctx context.Context, c *Conn, v any) error {
	typ, p, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if err := cd.Unmarshal(typ, p, v); err != nil {
		return prefixed(err)
	}
	return nil
}
