package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
)

// readKeys reads the keys in a file, one in each line. Empty lines and those that begin with # are left out.
func readKeys(ctx context.Context, flag, name string) ([]string, error) {
	text, err := readSecret(ctx, flag, name)
	if err != nil {
		return nil, err
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: %s has no key in it", flag, name)
	}
	return keys, nil
}

// readSecret reads a file with a secret, whose last line break does not count. One that everybody on this machine can write is none.
func readSecret(ctx context.Context, flag, name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0 {
		return nil, fmt.Errorf("%s: everybody on this machine can write %s: chmod 600 it", flag, name)
	}
	data, err := readBounded(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	data = bytes.TrimSuffix(data, []byte("\n"))
	return bytes.TrimSuffix(data, []byte("\r")), nil
}
