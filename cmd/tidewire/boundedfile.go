package main

import (
	"fmt"
	"io"
	"os"
)

// maxFile bounds the files that are read as a whole: a configuration, a certificate, a key.
const maxFile = 1 << 20

// readBounded is os.ReadFile for files of 1 MiB at most; no other is read to its end.
func readBounded(name string) ([]byte, error) {
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
