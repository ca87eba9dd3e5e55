package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Bounds of a history.
const (
	maxHistory = 1000    // lines
	maxEntry   = 4 << 10 // bytes of one that goes into the file
)

// History is the lines that were typed. The zero value keeps them for this run
// alone.
type History struct {
	file  string // "" for none
	lines []string
}

// OpenHistory reads the history that earlier runs left in a file. It need not be
// there.
func OpenHistory(file string) (*History, error) {
	h := &History{file: file}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	total := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 2*maxEntry+2)
	for lines.Scan() {
		h.keep(unescapeEntry(lines.Text()))
		total++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s is no history: %w", file, err)
	}
	if total > 2*maxHistory {
		return h, h.rewrite()
	}
	return h, nil
}

func (h *History) keep(text string) {
	h.lines = append(h.lines, text)
	if len(h.lines) > maxHistory {
		h.lines = append([]string(nil), h.lines[len(h.lines)-maxHistory:]...)
	}
}

// Len returns how many lines there are.
func (h *History) Len() int { return len(h.lines) }

// At returns a line, 0 being the latest.
func (h *History) At(i int) string { return h.lines[len(h.lines)-1-i] }

// Add keeps a line, in the file too. Lines that are empty, that begin with a space, or that are
// the latest one again are not kept; very long ones for this run alone.
func (h *History) Add(text string) error {
	if strings.TrimSpace(text) == "" || text[0] == ' ' || len(h.lines) > 0 && h.At(0) == text {
		return nil
	}
	h.keep(text)
	if h.file == "" || len(text) > maxEntry {
		return nil
	}
	err := h.append(text)
	if err != nil {
		h.file = "" // said once
	}
	return err
}

// append writes at the file's end, where other runs do so at the same time.
func (h *History) append(text string) error {
	if err := os.MkdirAll(filepath.Dir(h.file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, escapeEntry(text)+"\n")
	return errors.Join(err, f.Close())
}

// rewrite leaves only what is kept in the file.
func (h *History) rewrite() error {
	f, err := os.CreateTemp(filepath.Dir(h.file), ".history.*")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, text := range h.lines {
		w.WriteString(escapeEntry(text) + "\n")
	}
	err = errors.Join(w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), h.file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// An entry is one line of the file.
func escapeEntry(text string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(text)
}

func unescapeEntry(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(text)
}

// HistoryFile is where the history of a command is kept between runs: below
// $XDG_STATE_HOME where that is set, and else where the system keeps such things.
func HistoryFile(command string) (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
		if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
			if dir, err = os.UserConfigDir(); err != nil {
				return "", err
			}
		}
	}
	return filepath.Join(dir, "tidewire", command+"_history"), nil
}
