package bridge

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	maxTokenFile  = 1 << 20 // bytes of a file
	maxTokenFiles = 10_000  // in a folder
	maxToken      = 256     // bytes
)

// ErrToken says that there is no target for a token.
var ErrToken = errors.New("bridge: no target has this token")

// Tokens is a list of the targets that clients may choose from, each by a token that only who may use it knows. It is a file
// as websockify reads it, or a folder of such files: a line is "token: target", where a target is an [Endpoint] or, as
// websockify has it, host:port alone, which is TCP. Empty lines, and those that begin with #, are comments.
//
// A file that changes is read again when the next client comes. One that cannot be read, or holds a mistake, changes
// nothing: the targets before it go on, and the log says why.
//
// Its methods may be called from any goroutine.
type Tokens struct {
	name string
	log  *slog.Logger

	mu      sync.Mutex
	seen    string // what the files looked like
	wrong   error  // the mistake in them, if there is one
	targets map[[sha256.Size]byte]Endpoint
	failed  string // what was last said of them
}

// OpenTokens reads the file, or the folder's files. A mistake in them is an error here. log hears of later ones; nil means
// slog.Default().
func OpenTokens(name string, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{name: name, log: cmp.Or(log, slog.Default())}
	if _, err := t.look(); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	return t, nil
}

// Lookup returns the target for a token, or ErrToken. It is for [Rule.Lookup].
func (t *Tokens) Lookup(token string) (Endpoint, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	changed, err := t.look()
	switch {
	case err == nil && t.failed != "":
		t.log.Info("the tokens are read again", "file", t.name)
		t.failed = ""
	case err != nil && (changed || err.Error() != t.failed):
		t.log.Error("the tokens cannot be read again; those before go on", "error", err)
		t.failed = err.Error()
	}
	// By its hash, so that how long this takes says nothing of how much of a token was right.
	if target, ok := t.targets[sha256.Sum256([]byte(token))]; ok && token != "" {
		return target, nil
	}
	return Endpoint{}, ErrToken
}

// look reads the files if they have changed, and reports whether they had and could be read, with a mistake or without. A file
// that changes twice within its clock's grain and keeps its size is not seen to change again.
func (t *Tokens) look() (changed bool, err error) {
	names, seen, err := t.files()
	if err != nil {
		return false, err
	}
	if seen == t.seen {
		return false, t.wrong
	}
	targets := map[[sha256.Size]byte]Endpoint{}
	for _, name := range names {
		if err = readTokens(name, targets); err != nil {
			break
		}
	}
	if of := (*fs.PathError)(nil); errors.As(err, &of) {
		return false, err // and may be readable next time, though it looks the same
	}
	if err == nil {
		t.targets = targets
	}
	t.seen, t.wrong = seen, err
	return true, err
}

// files returns what there is to read, and how it looks.
func (t *Tokens) files() (names []string, seen string, err error) {
	info, err := os.Stat(t.name)
	if err != nil {
		return nil, "", err
	}
	names = []string{t.name}
	if info.IsDir() {
		entries, err := os.ReadDir(t.name)
		if err != nil {
			return nil, "", err
		}
		names = nil
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				names = append(names, filepath.Join(t.name, e.Name()))
			}
		}
		if len(names) > maxTokenFiles {
			return nil, "", fmt.Errorf("%s has more than %d files", t.name, maxTokenFiles)
		}
	}
	var b strings.Builder
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, "", err
		}
		if !info.Mode().IsRegular() {
			return nil, "", fmt.Errorf("%s is no regular file", name)
		}
		fmt.Fprintf(&b, "%q %d %s\n", name, info.Size(), info.ModTime().Format(time.RFC3339Nano))
	}
	return names, b.String(), nil
}

// readTokens adds those of a file.
func readTokens(name string, targets map[[sha256.Size]byte]Endpoint) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTokenFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxTokenFile {
		return fmt.Errorf("%s is larger than %d bytes", name, maxTokenFile)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // what some editors begin a file with
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxTokenFile+1)
	for n := 1; lines.Scan(); n++ {
		// An error quotes no line: it is a secret.
		token, target, err := parseToken(lines.Text())
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if token == "" {
			continue
		}
		hash := sha256.Sum256([]byte(token))
		if _, ok := targets[hash]; ok {
			return fmt.Errorf("%s:%d: this token has a target already", name, n)
		}
		targets[hash] = target
	}
	return lines.Err()
}

// parseToken reads a line. The token is empty for a comment.
func parseToken(line string) (token string, target Endpoint, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", target, nil
	}
	token, rest, ok := strings.Cut(line, ":")
	token, rest = strings.TrimSpace(token), strings.TrimSpace(rest)
	if !ok || token == "" || rest == "" {
		return "", target, errors.New(`a line is "token: target"`)
	}
	if len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }) {
		return "", target, fmt.Errorf("a token has up to %d bytes, and no blanks and slashes", maxToken)
	}
	if target, err = parse(rest); err != nil && checkAddr(rest) == nil {
		target, err = Endpoint{scheme: schemeTCP, addr: rest}, nil
	}
	return token, target, err
}
