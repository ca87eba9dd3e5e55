package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds the files that are read as a whole: a configuration, a certificate, a key.
const maxFile = 1 << 20

// errStopped is a start that was told to end before it served.
var errStopped = errors.New("stopped before it served")

// readBounded is os.ReadFile for files of 1 MiB at most; no other is read to its end. A pipe that nobody writes to is waited for until
// ctx ends, and what waits then stays until the process ends: the error is errStopped.
func readBounded(ctx context.Context, name string) ([]byte, error) {
	var data []byte
	if err := untilStopped(ctx, name, func() (err error) { data, err = readFile(name); return err }); err != nil {
		return nil, err // and data may still come
	}
	return data, nil
}

// untilStopped waits for read, which reads a file, or for ctx.
func untilStopped(ctx context.Context, name string, read func() error) error {
	done := make(chan error, 1)
	go func() { done <- read() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: it waited for %s", errStopped, name)
	}
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return data, err
}
