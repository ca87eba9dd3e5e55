package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/tidewire/tidewire/interop/npmws"
)

//go:embed echo.mjs
var npmScript []byte

var npmPeer = peer{
	name:    "npm's ws",
	version: "8.23.0",
	serve: func() (string, func(), error) {
		n, err := startNode("serve")
		if err != nil {
			return "", nil, err
		}
		line, err := n.out.ReadString('\n')
		if err != nil {
			n.stop()
			return "", nil, fmt.Errorf("node: %w", err)
		}
		return line[:len(line)-1], n.stop, nil
	},
	start: func() (func(), error) {
		n, err := startNode("dial")
		if err != nil {
			return nil, err
		}
		d := &npmDials{node: n, ended: make(map[string]chan struct{})}
		go d.read()
		npmDialling.Store("", d)
		return n.stop, nil
	},
	dial: func(ctx context.Context, url string) error {
		d, _ := npmDialling.Load("")
		return d.(*npmDials).dial(ctx, url)
	},
}

// npmDialling holds the process that dials now.
var npmDialling sync.Map

// node is a process that runs echo.mjs. It ends with its standard input.
type node struct {
	in   io.WriteCloser
	out  *bufio.Reader
	stop func()
}

func startNode(mode string) (*node, error) {
	folder, err := npmws.Folder()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "verdicts")
	if err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "echo.mjs")
	if err := os.WriteFile(script, npmScript, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command("node", script, folder, mode)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &node{in, bufio.NewReader(out), func() {
		in.Close()
		cmd.Wait()
		os.RemoveAll(dir)
	}}, nil
}

// npmDials are the connections of one process.
type npmDials struct {
	node  *node
	mu    sync.Mutex
	ended map[string]chan struct{}
}

type npmLine struct {
	URL   string `json:"url"`
	Abort bool   `json:"abort,omitempty"`
}

// read takes a line for each connection that has ended.
func (d *npmDials) read() {
	for {
		line, err := d.node.out.ReadString('\n')
		d.mu.Lock()
		if err != nil {
			for _, ch := range d.ended {
				close(ch)
			}
			d.ended = nil
			d.mu.Unlock()
			return
		}
		url := line[:len(line)-1]
		if ch := d.ended[url]; ch != nil {
			close(ch)
			delete(d.ended, url)
		}
		d.mu.Unlock()
	}
}

func (d *npmDials) dial(ctx context.Context, url string) error {
	ended := make(chan struct{})
	if err := d.tell(url, ended); err != nil {
		return err
	}
	select {
	case <-ended:
	case <-ctx.Done():
		if err := d.tell(url, nil); err != nil {
			return err
		}
		<-ended
	}
	return nil
}

// tell has the process dial a URL, or drop it.
func (d *npmDials) tell(url string, ended chan struct{}) error {
	b, err := json.Marshal(npmLine{url, ended == nil})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended == nil {
		return fmt.Errorf("node has ended")
	}
	if ended != nil {
		d.ended[url] = ended
	}
	_, err = d.node.in.Write(append(b, '\n'))
	return err
}
