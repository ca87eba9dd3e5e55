//go:build !js

package client_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/client"
)

func TestPresence(t *testing.T) {
	run(t, func(t *testing.T, s *server) {
		c, p := s.connect(nil)
		r, _ := room(t, c, "room:7", &client.RoomOptions{Presence: true})
		l := &log{}
		r.OnPresence(func(context.Context) {
			text := ""
			crowd := r.Present()
			for _, m := range crowd.Members {
				text += fmt.Sprint(m.User, "/", m.Session, " ")
			}
			l.add("%s%d %d", text, crowd.Users, crowd.Sessions)
		})
		if m := join(t, r, p, 1); string(m.Data) != `{"presence":true}` {
			t.Errorf("joined with %s", m.Data)
		}
		l.want(t)
		p.send(`{"type":"$presence","room":"room:7","data":{"version":11,"users":[{"user":"bob","sessions":[{"session":"s4"}]},{"user":"ann","sessions":[{"session":"s9","info":{"color":"red"}},{"session":"s8"}]}]}}`)
		l.want(t, "ann/s8 ann/s9 bob/s4 2 3")
		if info := r.Present().Members[1].Info; fmt.Sprint(info) != "map[color:red]" {
			t.Errorf("info is %v", info)
		}
		p.send(`{"type":"$presence","room":"room:7","data":{"version":12,"join":[{"user":"cy","session":"s12","info":{}}],"leave":[{"user":"bob","session":"s4"}]}}`)
		l.want(t, "ann/s8 ann/s9 cy/s12 2 3")

		// One is missing.
		p.send(`{"type":"$presence","room":"room:7","data":{"version":14,"join":[{"user":"dan","session":"s14"}]}}`)
		m := p.expect("$presence")
		p.send(`{"type":"$presence","room":"room:7","data":{"version":15,"join":[{"user":"eve","session":"s15"}]}}`)
		p.quiet() // it is asked once
		p.send(`{"type":"$ok","re":%d,"room":"room:7","data":{"version":15,"users":[{"user":"eve","sessions":[{"session":"s15"}]}]}}`, m.ID)
		p.send(`{"type":"$presence","room":"room:7","data":{"version":15,"leave":[{"user":"eve","session":"s15"}]}}`) // overtaken by the reply
		p.send(`{"type":"$presence","room":"room:7","data":{"version":16,"join":[{"user":"fay","session":"s16"}]}}`)
		// Both changes may be told by one call.
		l.take()
		if got := fmt.Sprint(r.Present().Members); got != "[{eve s15 <nil>} {fay s16 <nil>}]" {
			t.Error(got)
		}
		p.send(`{"type":"$presence","room":"room:7","data":{"version":17,"count":{"users":4100,"sessions":4203}}}`)
		l.want(t, "4100 4203")
		p.send(`{"type":"$presence","room":"room:7","data":{"version":18,"leave":[{"user":"fay","session":"s16"}]}}`)
		p.expect("$presence") // nothing to apply it to
	})
}
