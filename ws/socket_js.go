package ws

import (
	"errors"
	"fmt"
	"sync"
	"syscall/js"
)

// socket is the browser's WebSocket and what listens to it.
type socket struct {
	value    js.Value
	listener js.Func
}

var socketEvents = [...]string{"open", "message", "close"}

var errNoWebSocket = errors.New("there is no WebSocket in this JavaScript environment")

// openSocket begins a handshake. listen hears of every event until drop.
func openSocket(url string, offer []string, listen func(js.Value, []js.Value) any) (s socket, err error) {
	class := js.Global().Get("WebSocket")
	if class.Type() != js.TypeFunction {
		return s, errNoWebSocket
	}
	protocols := make([]any, len(offer))
	for i, p := range offer {
		protocols[i] = p
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case js.Error:
			err = fmt.Errorf("the browser refuses to try: %w", e)
		default:
			panic(e)
		}
	}()
	s.value = class.New(url, protocols)
	s.value.Set("binaryType", "arraybuffer")
	s.listener = js.FuncOf(listen)
	for _, name := range socketEvents {
		s.value.Call("addEventListener", name, s.listener)
	}
	return s, nil
}

// buffered returns how many bytes the browser has not passed on yet.
func (s *socket) buffered() int { return s.value.Get("bufferedAmount").Int() }

// close begins the closing handshake, or gives the opening one up.
func (s *socket) close(code StatusCode, reason string) {
	if code == StatusNoStatusRcvd {
		s.value.Call("close")
		return
	}
	s.value.Call("close", int(sendable(code)), reason)
}

// sendable returns the code that stands for code on the wire: a browser lets a
// program send none but 1000 and 3000 to 4999.
func sendable(code StatusCode) StatusCode {
	if code == StatusNormalClosure || code >= 3000 {
		return code
	}
	return code + 3000
}

// drop stops listening and releases the listener.
func (s *socket) drop() {
	for _, name := range socketEvents {
		s.value.Call("removeEventListener", name, s.listener)
	}
	s.listener.Release()
}

// What turns strings into bytes and back. A decoder that did not keep a byte
// order mark would lose it from the start of a text.
var (
	bytesClass  = sync.OnceValue(func() js.Value { return js.Global().Get("Uint8Array") })
	textEncoder = sync.OnceValue(func() js.Value { return js.Global().Get("TextEncoder").New() })
	textDecoder = sync.OnceValue(func() js.Value {
		return js.Global().Get("TextDecoder").New("utf-8", map[string]any{"ignoreBOM": true})
	})
)

// payload copies a message to where the browser can send it.
func payload(typ MessageType, p []byte) js.Value {
	v := bytesClass().New(len(p))
	js.CopyBytesToJS(v, p)
	if typ == Text {
		return textDecoder().Call("decode", v)
	}
	return v
}
