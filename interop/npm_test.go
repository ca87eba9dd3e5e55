package interop_test

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/interop/npmws"
	"github.com/tidewire/tidewire/ws"
)

var npmLibrary = library{
	name: "npm-ws",
	dial: func(t testing.TB, url string, z compression) end {
		e, _ := npmDial(t, url, npmDeflate(z))
		return e
	},
	listen: func(t testing.TB, secure bool, z compression) (string, <-chan end) {
		return npmListen(t, secure, npmDeflate(z))
	},
	modes: []compression{plain, noContext, takeover},
}

// npmOptions are the perMessageDeflate options of npm's ws; nil is off.
type npmOptions map[string]any

func npmDeflate(z compression) npmOptions {
	switch z {
	case noContext:
		return npmOptions{"threshold": 0, "serverNoContextTakeover": true, "clientNoContextTakeover": true}
	case takeover:
		return npmOptions{"threshold": 0}
	}
	return nil
}

//go:embed node/peer.mjs
var npmPeer []byte

// npmCommand is a line to node/peer.mjs.
type npmCommand struct {
	Do       string            `json:"do"`
	ID       string            `json:"id"`
	URL      string            `json:"url,omitempty"`
	CA       string            `json:"ca,omitempty"`
	TLS      map[string]string `json:"tls,omitempty"`
	Deflate  npmOptions        `json:"deflate,omitempty"`
	File     string            `json:"file,omitempty"`
	Binary   bool              `json:"binary"`
	Sizes    []int             `json:"sizes,omitempty"`
	Compress *bool             `json:"compress,omitempty"`
	Text     string            `json:"text,omitempty"`
	Code     int               `json:"code,omitempty"`
}

// npmEvent is a line from node/peer.mjs.
type npmEvent struct {
	ID         string
	Event      string
	Child      string
	Extensions string
	Port       int
	Binary     bool
	Size       int
	Sum        string
	Code       int
	Text       string
}

// npmNode is a Node process that runs node/peer.mjs. It ends with the test.
type npmNode struct {
	t   testing.TB
	dir string // for payloads

	mu     sync.Mutex
	in     io.WriteCloser
	n      int
	ids    map[string]*npmEnd
	opened map[string]chan npmEvent
	served map[string]chan end
}

func startNode(t testing.TB) *npmNode {
	t.Helper()
	folder, err := npmws.Folder()
	if err != nil {
		t.Fatal(err)
	}
	n := &npmNode{t: t, dir: t.TempDir(), ids: map[string]*npmEnd{}, opened: map[string]chan npmEvent{}, served: map[string]chan end{}}
	script := filepath.Join(n.dir, "peer.mjs")
	if err := os.WriteFile(script, npmPeer, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script, folder)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if n.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("node (it comes with ./test at the top of the repository): %v", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		n.read(out)
	}()
	t.Cleanup(func() {
		n.in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v\n%s", err, stderr.Bytes())
		}
	})
	return n
}

func (n *npmNode) do(c npmCommand) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err = n.in.Write(append(b, '\n'))
	return err
}

// name returns a name that this process has not seen.
func (n *npmNode) name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.n++
	return strconv.Itoa(n.n)
}

func (n *npmNode) track(id string) *npmEnd {
	e := &npmEnd{inbox: newInbox(), n: n, id: id}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[id] = e
	return e
}

func (n *npmNode) read(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		var ev npmEvent
		if err := json.Unmarshal(s.Bytes(), &ev); err != nil {
			n.t.Errorf("node said %q: %v", s.Bytes(), err)
			continue
		}
		n.mu.Lock()
		e, opened, served := n.ids[ev.ID], n.opened[ev.ID], n.served[ev.ID]
		n.mu.Unlock()
		switch ev.Event {
		case "listening", "open":
			opened <- ev
		case "error":
			select {
			case opened <- ev:
			default: // told by the closed that follows
			}
		case "connection":
			child := n.track(ev.Child)
			child.extensions = ev.Extensions
			served <- child
		case "message":
			typ := ws.Text
			if ev.Binary {
				typ = ws.Binary
			}
			m := event{kind: message, typ: typ, size: ev.Size}
			if _, err := hex.Decode(m.sum[:], []byte(ev.Sum)); err != nil {
				n.t.Error(err)
			}
			e.inbox <- m
		case "pong":
			e.inbox <- event{kind: pong, text: ev.Text}
		case "closed":
			e.inbox <- event{kind: closed, code: ws.StatusCode(ev.Code), text: ev.Text}
		default:
			n.t.Errorf("node told of %q", ev.Event)
		}
	}
}

func npmDial(t testing.TB, url string, z npmOptions) (e *npmEnd, extensions string) {
	t.Helper()
	return nodeOf(t).dial(url, z)
}

func (n *npmNode) dial(url string, z npmOptions) (*npmEnd, string) {
	n.t.Helper()
	id := n.name()
	e := n.track(id)
	opened := make(chan npmEvent, 1)
	n.mu.Lock()
	n.opened[id] = opened
	n.mu.Unlock()
	if err := n.do(npmCommand{Do: "dial", ID: id, URL: url, CA: certificate().certPEM, Deflate: z}); err != nil {
		n.t.Fatal(err)
	}
	ev := await(n.t, opened)
	if ev.Event != "open" {
		n.t.Fatalf("npm's ws: %s", ev.Text)
	}
	e.extensions = ev.Extensions
	return e, ev.Extensions
}

func npmListen(t testing.TB, secure bool, z npmOptions) (string, <-chan end) {
	t.Helper()
	n := nodeOf(t)
	id := n.name()
	opened, ends := make(chan npmEvent, 1), make(chan end, 64)
	n.mu.Lock()
	n.opened[id], n.served[id] = opened, ends
	n.mu.Unlock()
	c, scheme := npmCommand{Do: "listen", ID: id, Deflate: z}, "ws"
	if secure {
		c.TLS, scheme = map[string]string{"cert": certificate().certPEM, "key": certificate().keyPEM}, "wss"
	}
	if err := n.do(c); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, await(t, opened).Port), ends
}

// npmEnd is a connection in the Node process.
type npmEnd struct {
	inbox
	n          *npmNode
	id         string
	extensions string
}

func (e *npmEnd) send(typ ws.MessageType, p []byte) error {
	return e.sendParts(typ, [][]byte{p})
}

func (e *npmEnd) sendParts(typ ws.MessageType, parts [][]byte) error {
	return e.sendAs(typ, parts, nil)
}

// sendAs sends one message; compress overrides the threshold.
func (e *npmEnd) sendAs(typ ws.MessageType, parts [][]byte, compress *bool) error {
	file := filepath.Join(e.n.dir, "payload-"+e.n.name())
	if err := os.WriteFile(file, bytes.Join(parts, nil), 0o644); err != nil {
		return err
	}
	c := npmCommand{Do: "send", ID: e.id, File: file, Binary: typ == ws.Binary, Compress: compress}
	for _, p := range parts {
		c.Sizes = append(c.Sizes, len(p))
	}
	return e.n.do(c)
}

func (e *npmEnd) ping(p []byte) error {
	return e.n.do(npmCommand{Do: "ping", ID: e.id, Text: string(p)})
}

func (e *npmEnd) close(code ws.StatusCode, reason string) error {
	if code == ws.StatusNoStatusRcvd {
		code = 0
	}
	return e.n.do(npmCommand{Do: "close", ID: e.id, Code: int(code), Text: reason})
}

func (e *npmEnd) abort() {
	if err := e.n.do(npmCommand{Do: "abort", ID: e.id}); err != nil {
		e.n.t.Error(err)
	}
}

// nodes has the Node process of each test that needs one.
var nodes struct {
	sync.Mutex
	of map[testing.TB]*npmNode
}

func nodeOf(t testing.TB) *npmNode {
	t.Helper()
	nodes.Lock()
	n := nodes.of[t]
	nodes.Unlock()
	if n != nil {
		return n
	}
	n = startNode(t)
	nodes.Lock()
	defer nodes.Unlock()
	if nodes.of == nil {
		nodes.of = map[testing.TB]*npmNode{}
	}
	nodes.of[t] = n
	t.Cleanup(func() {
		nodes.Lock()
		defer nodes.Unlock()
		delete(nodes.of, t)
	})
	return n
}
