package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// rawHub is a server that answers each message by lines, in which ID stands for the message's id; or it closes, where a line is
// "close CODE". n counts the connections, from 1. It does so until the test ends.
func rawHub(t testing.TB, answer func(n int, typ, room string) []string) (url string) {
	t.Helper()
	var count atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"tidewire.v1.json"}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for n := int(count.Add(1)); ; {
			_, p, err := c.Read(ctx)
			if err != nil {
				return
			}
			var m struct {
				Type, Room string
				ID         int
			}
			if err := json.Unmarshal(p, &m); err != nil {
				t.Error(err)
			}
			for _, line := range answer(n, m.Type, m.Room) {
				var code ws.StatusCode
				if _, err := fmt.Sscanf(line, "close %d", &code); err == nil {
					c.Close(code, "as asked")
					return
				}
				if err := c.Write(ctx, ws.Text, []byte(strings.ReplaceAll(line, "ID", fmt.Sprint(m.ID)))); err != nil {
					return
				}
			}
		}
	}))
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	return "ws" + strings.TrimPrefix(server.URL, "http") + "/live"
}

// What a rawHub says whose rooms have no history.
const (
	rawWelcome = `{"type":"$ok","re":ID,"data":{"session":"s","backoff":[1,2]}}`
	rawJoined  = `{"type":"$ok","re":ID,"room":"room:1","data":{}}`
	rawIsLive  = `{"type":"$live","room":"room:1"}`
	rawOK      = `{"type":"$ok","re":ID}`
)
