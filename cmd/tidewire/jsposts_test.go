package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/js"
	"github.com/tidewire/tidewire/live"
)

// TestBrowserClientBehindAProxy runs the client in Chromium where something between lets no WebSocket pass: it comes by
// POSTs, its stream from one node while its posts reach another.
func TestBrowserClientBehindAProxy(t *testing.T) {
	broker := live.NewMemory(nil)
	defer broker.Close()
	var nodes [2]*live.Hub
	for i := range nodes {
		nodes[i] = live.NewHub(&live.Options{Broker: broker, Authenticate: authenticate, BackoffMin: 50 * time.Millisecond, BackoffMax: 200 * time.Millisecond})
		nodes[i].ConfigureRooms("room:*", live.RoomOptions{History: 100, Presence: true})
		defer nodes[i].Close()
	}
	var refused, posts atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			refused.Add(1)
			http.Error(w, "no WebSocket passes here", http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.HasPrefix(body, []byte("open ")) {
			nodes[0].ServeHTTP(w, r)
		} else {
			posts.Add(1)
			nodes[1].ServeHTTP(w, r)
		}
	})
	mux.Handle("/tidewire.js", js.Handler())
	mux.Handle("/tidewire/", js.Handler())
	mux.Handle("/", http.FileServer(http.Dir("testdata/jsclient")))
	server := httptest.NewServer(mux)
	defer server.Close()
	defer server.CloseClientConnections()

	chromium := browser(t)
	ann := open(t, chromium, "Ann's page", server.URL+"/")
	ann.behind("ann")
	bob := open(t, chromium, "Bob's page", server.URL+"/")
	bob.behind("bob")
	if nodes[0].Len() != 2 || nodes[1].Len() != 0 || refused.Load() < 2 {
		t.Errorf("%d and %d sessions, %d WebSockets refused", nodes[0].Len(), nodes[1].Len(), refused.Load())
	}
	ann.run(`for (let n = 1; n <= 20; n++) room.send("n", n).then(() => heard.push("stored " + n))`)
	for _, p := range []*tab{ann, bob} {
		p.until(`heard.filter(Number).join() === "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20"`)
	}
	ann.until(`heard.includes("stored 20")`)
	if posts.Load() == 0 {
		t.Error("no post reached the other node")
	}

	// What presence shows of a session opens nothing.
	ann.until("room.present.sessions === 2")
	session := ann.text(`room.present.members.find((m) => m.user === "bob").session`)
	node, _, _ := strings.Cut(ann.text("tw.link.socket.secret"), ".")
	for _, hub := range nodes {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, server.URL+"/live", strings.NewReader("post "+node+"."+session+" 1\n\x81\x80\x00\x00\x00\x00"))
		hub.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("a post with a session's id: %d %s", w.Code, w.Body)
		}
	}

	// The stream breaks: both come back, and miss nothing.
	server.CloseClientConnections()
	if _, err := nodes[1].Room("room:7").Publish(t.Context(), "n", 21); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*tab{ann, bob} {
		p.until(`heard.filter(Number).at(-1) === 21 && heard.filter(Number).length === 21`)
	}
}

func (p *tab) behind(token string) {
	p.t.Helper()
	p.until("window.ready")
	p.run(`beginWith({ backoff: { min: 50, max: 200 } }, "` + token + `")`)
	p.until(`tw.state.phase === "open" && room.joined`)
}
