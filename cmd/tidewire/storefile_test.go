package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
	"github.com/tidewire/tidewire/live/protocol"
)

// tidewire runs a command line, and returns what it printed.
func tidewire(t *testing.T, in io.Reader, args ...string) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = run(t.Context(), args, stdio{in, &o, &e})
	return o.String(), e.String(), err
}

// TestStoreFile takes what is stored in a folder to NATS servers and to another folder, through files and pipes. What
// that is for, servers and clients that go on elsewhere, package natsbroker tests.
func TestStoreFile(t *testing.T) {
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "file")
	must := func(in io.Reader, args ...string) string {
		t.Helper()
		out, errs, err := tidewire(t, in, args...)
		if err != nil || errs != "" {
			t.Fatalf("%v: %v\n%s", args, err, errs)
		}
		return out
	}
	quiet := slog.New(slog.DiscardHandler)
	room := live.Room{Name: "a:1", Retention: &live.Retention{Pattern: "a:*", History: 10}}
	open := func(data string) (b *natsbroker.Broker, end func()) {
		t.Helper()
		s, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: data, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if b, err = s.Connect(&natsbroker.Options{Name: "small", Shards: 1, Logger: quiet}); err == nil {
			err = b.Configure(room.Retention)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b, func() { b.Close(); s.Close() }
	}
	b, end := open(data)
	stored := make(chan live.Stored, 1)
	b.Publish(&live.Publish{Room: room, Message: &live.Message{Type: "n", Room: room.Name, Mid: "m", Data: []byte("1"), Codec: protocol.JSON}},
		func(st live.Stored, err error) {
			if err != nil {
				t.Error(err)
			}
			stored <- st
		})
	was := (<-stored).Pos
	if _, errs, err := tidewire(t, nil, "store", "export", "--data", data, "--name", "small", file); err == nil || !strings.Contains(errs, "another process uses it") {
		t.Errorf("a folder in use: %v, %s", err, errs)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*file*")); err != nil || len(left) > 0 {
		t.Errorf("a failed export leaves %v", left)
	}
	end()
	if out := must(nil, "store", "export", "--data", data, "--name", "small", file); !strings.HasPrefix(out, "Exported ") || !strings.HasSuffix(out, " bytes to "+file+".\n") {
		t.Errorf("export says %q", out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	ns := natsServer(t, t.TempDir(), server.RANDOM_PORT)
	must(nil, "store", "import", file, "--nats", ns.ClientURL(), "--name", "small")
	pipe := must(nil, "store", "export", "--nats", ns.ClientURL(), "--name", "small", "-")
	moved := filepath.Join(dir, "new", "moved")
	if out := must(strings.NewReader(pipe), "store", "import", "-", "--data", moved); out != "Imported into "+moved+".\n" {
		t.Errorf("import says %q", out)
	}
	b, end = open(moved)
	page, err := b.History(t.Context(), room, live.Query{Limit: 10})
	end()
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Pos != was {
		t.Errorf("what was stored at %+v is %+v, %v", was, page, err)
	}

	for _, tc := range []struct {
		args, says string
	}{
		{"store import " + file + " --data " + moved, "the folder is not empty"},
		{"store import " + file + " --name small --nats " + ns.ClientURL(), `there are streams of "small" already`},
		{"store import " + file + " --nats " + ns.ClientURL() + " --name other", `the export is of the name "small", and this is "other"`},
		{"store import " + file + " --data a,b,c", "give it a name with --cluster-name"},
		{"store import " + file + " --data a,b --cluster-name c", "3 servers at least"},
		{"store import " + file + " --nats nats://127.0.0.1:1 --cluster-name c", "--cluster-name goes with --data"},
		{"store import " + file, "missing flags: --data=DIR,... or --nats=URL"},
		{"store import /dev/null --data a", "it is not a tidewire export"},
		{"store import /nowhere --data a", "no such file or directory"},
		{"store import - --data a", "the export is truncated"},
		{"store import " + file + " --nats nats://ada:secret@127.0.0.1:1", "no servers available for connection"},
		{"store export --data /nowhere -", "/nowhere: no such file or directory"},
		{"store export --data " + data + " /nowhere/file", "no such file or directory"},
		{"store export --data " + data + " --nats nats://127.0.0.1:1 -", "can't be used together"},
		{"store export --data " + data + " --name other -", `nothing is stored under the name "other"`},
		{"serve --addr 127.0.0.1:0 --cluster-name c --cluster-listen 127.0.0.1:1 --cluster-peers 127.0.0.2:1,127.0.0.3:1 --data " + data, `with "tidewire store export" and "tidewire store import"`},
	} {
		out, errs, err := tidewire(t, strings.NewReader(pipe[:len(pipe)/2]), strings.Fields(tc.args)...)
		if err == nil || !strings.Contains(errs, tc.says) || strings.Contains(errs, "secret") || out != "" {
			t.Errorf("%s: %v\n%s%s\nwant %s", tc.args, err, out, errs, tc.says)
		}
	}
}
