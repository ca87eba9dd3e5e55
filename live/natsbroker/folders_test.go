package natsbroker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker/internal/exportfile"
	"github.com/tidewire/tidewire/live/protocol"
)

var half = &Options{Name: "half", Shards: 2, Logger: slog.New(slog.DiscardHandler)}

// on starts a server on a folder, and a broker on it.
func on(t *testing.T, o ServerOptions) *Broker {
	t.Helper()
	o.Logger = half.Logger
	s, err := StartServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b, err := s.Connect(half)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// An import that the servers break off, when a part of it is stored already, leaves nothing.
func TestImportLeavesNothing(t *testing.T) {
	keep := &live.Retention{Pattern: "a:*", History: 10}
	b := on(t, ServerOptions{Dir: t.TempDir()})
	if err := b.Configure(keep); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	b.Publish(&live.Publish{Room: live.Room{Name: "a:1", Retention: keep},
		Message: &live.Message{Type: "n", Room: "a:1", Mid: "m", Data: []byte("1"), Codec: protocol.JSON},
	}, func(_ live.Stored, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var good bytes.Buffer
	if err := b.Export(t.Context(), &good); err != nil {
		t.Fatal(err)
	}
	if err := b.Import(t.Context(), bytes.NewReader(good.Bytes())); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("an import over what is stored: %v", err)
	}
	c, err := exportfile.Read(bytes.NewReader(good.Bytes()))
	if err != nil {
		t.Fatal(err)
	}

	// The same, with a second stream that is none.
	var bad bytes.Buffer
	x, err := exportfile.NewWriter(&bad, c.Head)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range c.Streams {
		err := x.Stream(s.Stream)
		if err == nil && i == 0 {
			err = s.Data(bytes.NewReader(good.Bytes()), x.Data)
		} else if err == nil {
			err = x.Data([]byte("no snapshot"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := x.End(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := ImportFolders(t.Context(), bytes.NewReader(bad.Bytes()), []string{dir}, "", half); err == nil {
		t.Error("what is no snapshot was imported")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
	empty := on(t, ServerOptions{Dir: t.TempDir()})
	if err := empty.Import(t.Context(), bytes.NewReader(bad.Bytes())); err == nil {
		t.Error("what is no snapshot was imported")
	}
	if left, err := empty.stored(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := empty.Import(ctx, bytes.NewReader(good.Bytes())); err == nil {
		t.Error("it was imported for nobody")
	}

	// And one that was killed is refused, by what it leaves.
	config, err := streamConfig(c.Name, &c.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	importing := empty.restored(config, c.Streams[0].Epoch, "x")
	if _, err := empty.js.CreateStream(t.Context(), importing); err != nil {
		t.Fatal(err)
	}
	if err := empty.Configure(keep); err == nil || !strings.Contains(err.Error(), errImporting.Error()) {
		t.Errorf("a broker goes on with half an import: %v", err)
	}
	if err := empty.Export(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), errImporting.Error()) {
		t.Errorf("half an import is exported: %v", err)
	}

	// Where there is no room for the streams.
	full := on(t, ServerOptions{Dir: t.TempDir(), MaxBytes: 1 << 20})
	if err := full.Import(t.Context(), bytes.NewReader(good.Bytes())); err == nil || !strings.Contains(err.Error(), "insufficient storage") {
		t.Errorf("a server with no room: %v", err)
	}
	if left, err := full.stored(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// Of two imports at once one fails, and leaves what the other one has stored.
func TestImportsAtOnce(t *testing.T) {
	keep := &live.Retention{Pattern: "a:*", History: 1000}
	from := on(t, ServerOptions{Dir: t.TempDir(), SyncEvery: time.Minute})
	if err := from.Configure(keep); err != nil {
		t.Fatal(err)
	}
	var acks sync.WaitGroup
	for i := range 1000 {
		acks.Add(1)
		from.Publish(&live.Publish{Room: live.Room{Name: "a:1", Retention: keep},
			Message: &live.Message{Type: "n", Room: "a:1", Mid: fmt.Sprint("m", i), Data: []byte("1"), Codec: protocol.JSON},
		}, func(_ live.Stored, err error) {
			defer acks.Done()
			if err != nil {
				t.Error(err)
			}
		})
	}
	acks.Wait()
	var export bytes.Buffer
	if err := from.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		to := on(t, ServerOptions{Dir: t.TempDir(), SyncEvery: time.Minute})
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { errs[i] = to.Import(t.Context(), bytes.NewReader(export.Bytes())) })
		}
		all.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("two imports at once: %v", errs)
		}
		if err := to.Configure(keep); err != nil {
			t.Fatal(err)
		}
		page, err := to.History(t.Context(), live.Room{Name: "a:1", Retention: keep}, live.Query{Limit: 1000})
		if err != nil || len(page.Messages) != 1000 {
			t.Errorf("%d messages are there, %v", len(page.Messages), err)
		}
	}
}

// Whatever an export says of a stream, an imported one is as brokers make them: it keeps what it is given on the disk, and brings it nowhere
// but to its rooms.
func TestImportedStreams(t *testing.T) {
	keep := &live.Retention{Pattern: "a:*", History: 10}
	from := on(t, ServerOptions{Dir: t.TempDir()})
	if err := from.Configure(keep); err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	if err := from.Export(t.Context(), &export); err != nil {
		t.Fatal(err)
	}
	c, err := exportfile.Read(bytes.NewReader(export.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	was, err := streamConfig(c.Name, &c.Streams[0])
	if err != nil {
		t.Fatal(err)
	}
	to := on(t, ServerOptions{Dir: t.TempDir()})
	for name, change := range map[string]func(c *jetstream.StreamConfig){
		"nothing":               func(*jetstream.StreamConfig) {},
		"republished elsewhere": func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{Source: ">", Destination: "x.>"} },
		"not republished":       func(c *jetstream.StreamConfig) { c.RePublish = nil },
		"under other subjects": func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: ">", Destination: "x.>"}
		},
		"in memory":                func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"that nothing more is put": func(c *jetstream.StreamConfig) { c.Sealed = true },
		"that is taken away":       func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"half an import's":         func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{importingKey: "1"} },
	} {
		config := was
		change(&config)
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		x, err := exportfile.NewWriter(&file, c.Head)
		if err == nil {
			s := c.Streams[0].Stream
			s.Config = raw
			err = errors.Join(x.Stream(s), c.Streams[0].Data(bytes.NewReader(export.Bytes()), x.Data), x.End())
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := to.Import(t.Context(), bytes.NewReader(file.Bytes())); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info, err := to.infoOf(t.Context(), was.Name)
		if err != nil {
			t.Fatal(err)
		}
		got, want := info.Config, was
		got.Metadata, want.Metadata = nil, nil
		if !reflect.DeepEqual(got, want) || info.Config.Metadata[importingKey] != "" || epochOf(info) != c.Streams[0].Epoch {
			t.Errorf("%s: it is %+v, want %+v", name, info.Config, want)
		}
		if err := to.drop(t.Context(), "", was.Name); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{"half.s.>", "half.s.*.0of2.>", "half.s.a", "other.s.a.0of2.>", "half.s.>.>"} {
		config := was
		config.Subjects = []string{subject}
		if own("half", config) {
			t.Errorf("a stream of %s is taken for one of a broker", subject)
		}
	}
}

// Who imports into a folder is alone there: who fails removes what is in it.
func TestOneImportsIntoAFolder(t *testing.T) {
	for range 50 {
		dir := filepath.Join(t.TempDir(), "new")
		var taken atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := newTarget(dir); err == nil {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 {
			t.Fatalf("%d imports have the folder", n)
		}
	}
}

func TestFoldersAreRefused(t *testing.T) {
	dir := t.TempDir()
	folder := func(name, file, text string) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	used := filepath.Join(dir, "used")
	on(t, ServerOptions{Dir: used})
	alone, other := folder("alone", nodeFile, "standalone\nx\n"), folder("other", "x", "")
	one, two := folder("one", nodeFile, "cluster c\nx\n"), folder("two", nodeFile, "cluster d\ny\n")
	killed := folder("killed", importingFile, "")
	for _, tc := range []struct {
		dirs []string
		says string
	}{
		{nil, "there is no folder"},
		{[]string{filepath.Join(dir, "none")}, "no such file or directory"},
		{[]string{filepath.Join(one, nodeFile)}, "not a directory"},
		{[]string{other}, "there is no store in it"},
		{[]string{used}, "another process uses it"},
		{[]string{killed}, errImporting.Error()},
		{[]string{one}, "a majority of its servers"},
		{[]string{one, one}, "is named twice"},
		{[]string{one, two}, `of the cluster "d", and`},
		{[]string{one, alone}, "one server's own"},
		{[]string{alone, one}, "one server's own"},
		{[]string{alone}, "nothing is stored under the name"},
	} {
		if err := ExportFolders(t.Context(), &bytes.Buffer{}, tc.dirs, half); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("export of %v: %v, want %s", tc.dirs, err, tc.says)
		}
	}
	if _, err := StartServer(ServerOptions{Dir: killed, Logger: half.Logger}); err == nil || !strings.Contains(err.Error(), errImporting.Error()) {
		t.Errorf("a server starts on half an import: %v", err)
	}
	var whole bytes.Buffer
	x, err := exportfile.NewWriter(&whole, exportfile.Head{Name: "half"})
	if err == nil {
		err = errors.Join(x.Stream(exportfile.Stream{Epoch: "e", Config: []byte(`{"name":"half_a","subjects":["half.s.a.>"]}`), State: []byte("{}")}),
			x.Data([]byte("no snapshot")), x.End())
	}
	if err != nil {
		t.Fatal(err)
	}
	p, alien := whole.Bytes(), bytes.Buffer{}
	if x, err = exportfile.NewWriter(&alien, exportfile.Head{Name: "half"}); err == nil {
		err = errors.Join(x.Stream(exportfile.Stream{Epoch: "e", Config: []byte(`{"name":"orders","subjects":["orders.>"]}`), State: []byte("{}")}), x.End())
	}
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		p       []byte
		cluster string
		dirs    []string
		says    string
	}{
		{p, "", nil, "there are 0 folders"},
		{p, "", []string{a, b, c}, "it needs a name"},
		{p, "c", []string{a, b}, "3 servers at least"},
		{p, "c", []string{a, b, a}, "is named twice"},
		{p, "c", []string{a, b, other}, "the folder is not empty"},
		{p, "", []string{used}, "the folder is not empty"},
		{p, "", []string{filepath.Join(other, "x")}, "not a directory"},
		{p[:100], "", []string{a}, exportfile.ErrTruncated.Error()},
		{p[1:], "", []string{a}, exportfile.ErrNone.Error()},
		{alien.Bytes(), "", []string{a}, `a stream "orders", which is none of "half"`},
		{p, "", []string{a}, ""}, // whatever the server says: the data is none
	} {
		err := ImportFolders(t.Context(), bytes.NewReader(tc.p), tc.dirs, tc.cluster, half)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("import into %v: %v, want %s", tc.dirs, err, tc.says)
		}
	}
	after, err := os.ReadDir(dir)
	if err != nil || !slices.EqualFunc(before, after, func(x, y os.DirEntry) bool { return x.Name() == y.Name() }) {
		t.Errorf("%v were there, and %v are left, %v", before, after, err)
	}
	if all, err := os.ReadDir(other); err != nil || len(all) != 1 {
		t.Errorf("what is in a folder that was refused: %v, %v", all, err)
	}
}
