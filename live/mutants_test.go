//go:build mutants

package live_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type mutant struct{ name, file, from, to string }

// mutants are changes to the hub and its broker, each of which breaks the first
// promise, or what it stands on.
var mutants = []mutant{
	{"the chain is not checked", "room.go", "	case m.Prev == 0, m.Prev > r.last.Seq, m.Prev < r.last.Seq && r.last.Mid != \"\":\n		return false\n", ""},
	{"the epoch is not checked on join", "room.go", "	case pos.Epoch != epoch:\n		return floor, protocol.GapEpoch\n", ""},
	{"a position is read exclusively", "join.go", "Query{From: b.from, Limit: recentMost}", "Query{From: b.from + 1, Limit: recentMost}"},
	{"eviction is not told", "room.go", "	case pos.Seq < page.Floor:\n		return floor, protocol.GapEvicted\n", ""},
	{"nothing is known again", "memory.go", "b.known.note(key, b.seq)", "_ = key"},
	{"healing brings nothing", "room.go", "			r.push(&own)\n", "			r.last = own.Pos\n"},
	{"who is refused stays live", "room.go", "	if !closes {\n		m.lag(e)\n	}\n", ""},
	{"who is slow stands behind what it missed", "member.go", "m.cursor, m.serial = e.before, e.serial-1", "m.cursor, m.serial = e.m.Pos, e.serial-1"},
	{"a member is live too early", "member.go", "	if len(events) == 0 && !read {\n		defer", "	if len(events) < 3 && !read {\n		defer"},
	{"Floor is one too low", "memory.go", "		r.floor = s.msg.Pos.Seq\n", "		r.floor = s.msg.Pos.Seq - 1\n"},
	{"Floor is lost", "memory.go", "		r.floor = s.msg.Pos.Seq\n", ""},
	{"the tail outlives a gap", "room.go", "	r.hub.recent.forget(r)\n	for c := range", "	for c := range"},
	{"the tail is said to reach further", "recent.go", "if i == 0 && (t.events[0].m.Prev == 0 || t.events[0].m.Prev > prev) {", "if false {"},
	{"what was read overlaps the tail", "recent.go", "			t.events = t.events[1:]\n		}\n		if len(older)", "		}\n		if len(older)"},
	{"what was read need not reach the tail", "recent.go", "	if n < 0 || n == 0 && len(t.events) > 0 {\n		return\n	}\n", "	if n < 0 {\n		n = len(read) - 1\n	}\n"},
	{"announced heads are ignored", "room.go", "	case r.keeps() && (head.IsZero()", "	case false && r.keeps() && (head.IsZero()"},
	{"who is slow stays in the Group", "member.go", "	m.r.groups[m.s.codec].Remove(m.s.conn)\n	m.live = false", "	m.live = false"},
	{"a stranger is not known again", "publish.go", "	if s.client != \"\" {\n		return \"c\" + s.client\n	}\n", ""},
	{"a page is read from behind the cursor", "member.go", "Query{From: m.cursor.Seq, Limit: feedBatch + 1}", "Query{From: m.cursor.Seq + 2, Limit: feedBatch + 1}"},
	{"who is slow is not told what it missed", "member.go", "			return m.tell(g)\n", "			m.cursor, m.prev, m.serial, m.skip = g.before, g.before.Seq, g.serial, false\n			return fedSome\n"},
	{"who is slow misses what was refused", "member.go", "m.cursor, m.serial = e.before, e.serial-1", "m.cursor, m.serial = e.before, e.serial"},
	{"a gap skips nothing", "member.go", "	if serial == m.serial {\n		return nil\n	}\n", ""},
	{"an older value is delivered", "room.go", "e.m.Pos.Seq >= m.Pos.Seq {", "e.m.Pos.Seq == m.Pos.Seq {"},
	{"values that were missed are not read", "room.go", "	case r.keys() && head.IsZero():\n		go r.reread()\n", ""},
	{"who is slow gets no values", "member.go", "		events = m.values()\n", ""},
	{"old values are sent as new ones", "latest.go", "	l.byKey[key] = l.order.PushBack(", "	l.byKey[key] = l.order.PushFront("},
	{"an empty head is named as a message", "room.go", "			own.Prev = r.prev\n", "			own.Prev = r.last.Seq\n"},
}

// natsMutants are changes to the broker on NATS.
var natsMutants = []mutant{
	{"ids are known again in every room", "natsbroker/publish.go", "sum := sha256.Sum256([]byte(p.DedupeKey))", "sum := sha256.Sum256([]byte(m.Mid))"},
	{"what was published is not announced", "natsbroker/publish.go", "			s.broker.heads.note(s, f.room, a.Seq)\n", ""},
	{"the chain is lost", "natsbroker/subscribe.go", "		msg.Prev = number(m, headerLast)\n", ""},
	{"one message less is kept", "natsbroker/stream.go", "int64(s.keep.History) + 1", "int64(s.keep.History)"},
	{"a repetition is said to be new", "natsbroker/publish.go", "st := live.Stored{Duplicate: a.Duplicate}", "st := live.Stored{}"},
	{"a page is read exclusively", "natsbroker/history.go", "get{Next: r.subject, Seq: q.From,", "get{Next: r.subject, Seq: q.From + 1,"},
	{"a stream that was made anew is the same", "natsbroker/stream.go", "	epoch := epochOf(info)\n", "	epoch := \"e\"\n"},
}

// minorityMutants are those of them that are right as long as no server is behind the others.
var minorityMutants = []mutant{
	{"a read asks whoever is near", "natsbroker/heads.go", "	if s.replicated.Load() {\n", "	if false {\n"},
}

// Each mutant makes TestPromise fail, or a test of the broker's.
//
//	go test -tags mutants ./live -run TestMutants -timeout 20m
func TestMutants(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, part := range []string{"go.mod", "go.sum", "live", "client", "ws", "testdata"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			to := filepath.Join(dir, rel)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			p, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(to, p, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	test := func(args ...string) (string, error) {
		cmd := exec.Command("go", append([]string{"test", "-count=1", "-timeout", "120s"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	promise := func() (string, error) { return test("./live", "-run", "^TestPromise$", "-promise.runs", "200") }
	nats := func() (string, error) {
		return test("./live/natsbroker", "-run", "^(TestEmbedded|TestCluster|TestReadsAreNotStale|TestOwnHeadsAreHeard|TestStreamMadeAnew)$")
	}
	minority := func() (string, error) {
		return test("./live/natsbroker", "-run", "^TestMinority$", "-minority.time", "8s")
	}
	for _, f := range []func() (string, error){promise, nats, minority} {
		if out, err := f(); err != nil {
			t.Fatalf("without a mutant: %v\n%s", err, out)
		}
	}
	for i, m := range slices.Concat(mutants, natsMutants, minorityMutants) {
		t.Run(m.name, func(t *testing.T) {
			path := filepath.Join(dir, "live", m.file)
			was, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(was), m.from) != 1 {
				t.Fatalf("%s does not hold once: %s", m.file, m.from)
			}
			defer os.WriteFile(path, was, 0o644)
			if err := os.WriteFile(path, []byte(strings.Replace(string(was), m.from, m.to, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			run := promise
			if i >= len(mutants) {
				run = nats
			}
			if i >= len(mutants)+len(natsMutants) {
				run = minority
			}
			out, err := run()
			if err == nil {
				t.Error("lives")
			} else if strings.Contains(out, "[build failed]") {
				t.Errorf("does not build:\n%s", out)
			}
		})
	}
}
