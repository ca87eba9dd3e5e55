// Package npm installs what the bench takes from npm.
package npm

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

// Versions are those that package.json pins, by package.
func Versions() (map[string]string, error) {
	var pinned struct{ Dependencies map[string]string }
	err := json.Unmarshal(manifest, &pinned)
	return pinned.Dependencies, err
}

// Folder is where the packages are. They are installed into the user's cache when they are not there yet.
var Folder = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	folder := filepath.Join(cache, "tidewire-bench", hex.EncodeToString(sum[:8]))
	if _, err := Bun(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	// Another process may be about the same: each has a folder of its own until it is whole.
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "fresh-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	err = errors.Join(os.WriteFile(filepath.Join(fresh, "package.json"), manifest, 0o644),
		os.WriteFile(filepath.Join(fresh, "package-lock.json"), lock, 0o644))
	if err != nil {
		return "", err
	}
	ci := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	ci.Dir = fresh
	if said, err := ci.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, said)
	}
	if err := os.Rename(fresh, folder); err != nil {
		if _, there := Bun(folder); there != nil {
			return "", err
		}
	}
	return folder, nil
})

// Bun is the program in the folder.
func Bun(folder string) (string, error) {
	found, err := filepath.Glob(filepath.Join(folder, "node_modules", "@oven", "*", "bin", "bun*"))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("npm has no Bun for this machine: %w", os.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}
