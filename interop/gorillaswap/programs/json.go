//lint:file-ignore SA1019 what gorilla deprecates must still work after the swap

package main

import (
	"encoding/json"
	"net/http"

	"github.com/gorilla/websocket"
)

// Typed messages, dispatched by type on the server.

type envelope struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data,omitempty"`
}

func serveJSON(s *stage) {
	upgrader := websocket.Upgrader{}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		for {
			var in envelope
			if err := c.ReadJSON(&in); err != nil {
				s.say("server", "read: %v", err)
				if _, ok := err.(*websocket.CloseError); ok {
					return
				}
				continue // not JSON; the next message may be
			}
			s.say("server", "%s %s", in.Type, in.Data)
			var err error
			switch in.Type {
			case "sum":
				var ns []int
				total := 0
				if err = json.Unmarshal(in.Data, &ns); err == nil {
					for _, n := range ns {
						total += n
					}
					err = c.WriteJSON(map[string]any{"type": "total", "data": total})
				}
			case "echo":
				err = websocket.WriteJSON(c, in)
			default:
				err = c.WriteJSON(envelope{Type: "unknown " + in.Type})
			}
			if err != nil {
				s.say("server", "write: %v", err)
			}
		}
	})
}

func dialJSON(s *stage) {
	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr, nil)
	if err != nil {
		s.say("client", "dial: %v", err)
		return
	}
	defer c.Close()
	for _, out := range []any{
		envelope{"sum", json.RawMessage("[1,2,3]")},
		envelope{"echo", json.RawMessage(`"{\"json\":\"in a string\"}"`)},
		envelope{"echo", json.RawMessage(`"<b>&\u2028 ünï"`)},
		envelope{Type: "dance"},
		map[string]int{"type": 7},
	} {
		s.say("client", "write: %v", c.WriteJSON(out))
	}
	for _, raw := range []string{"", "{", "[]", `{"type":"echo","data":1} trailing`, "  \n "} {
		s.say("client", "write: %v", c.WriteMessage(websocket.TextMessage, []byte(raw)))
	}
	s.say("client", "write binary: %v", c.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"echo","data":[null]}`)))
	s.say("client", "goodbye: %v", c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "done")))
	for n := 0; ; n++ {
		if n == 2 { // once as it travels
			typ, p, err := c.ReadMessage()
			s.say("client", "%d %q %v", typ, p, err)
			continue
		}
		var in map[string]any
		if err := websocket.ReadJSON(c, &in); err != nil {
			s.say("client", "read: %v", err)
			return
		}
		s.say("client", "%v", in)
	}
}
