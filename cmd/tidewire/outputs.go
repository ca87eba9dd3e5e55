package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// outputs are the files that a run will fill. That they can be made is tried
// before the run, so that a wrong path is told before anybody waits; a file that stood
// there stays until there is something better, and a run that is killed leaves nothing.
type outputs []*output

type output struct {
	name  string // empty: nobody wants it
	write func(io.Writer) error
	fixed bool // a device, a pipe and the like: written to as it is, never replaced

	private bool // for nobody else to read, and on the disk when it is put where it belongs
}

func tryOutputs(all ...*output) (outputs, error) {
	var wanted outputs
	for _, f := range all {
		if f.name == "" {
			continue
		}
		if err := f.try(); err != nil {
			return nil, err
		}
		for _, other := range wanted {
			if other.name == f.name && !f.fixed {
				return nil, fmt.Errorf("two reports cannot both go to %s", f.name)
			}
		}
		wanted = append(wanted, f)
	}
	return wanted, nil
}

// try finds out what the name stands for and whether a file can be made there.
func (f *output) try() error {
	if path, err := filepath.Abs(f.name); err == nil {
		f.name = path
	}
	// /dev/stdout may be a regular file, which the summary goes to as well.
	f.fixed = strings.HasPrefix(f.name, "/dev/") || strings.HasPrefix(f.name, "/proc/")
	if path, err := filepath.EvalSymlinks(f.name); err == nil && !f.fixed {
		f.name = path
	}
	if info, err := os.Stat(f.name); err == nil {
		if info.IsDir() {
			return &os.PathError{Op: "open", Path: f.name, Err: syscall.EISDIR}
		}
		f.fixed = f.fixed || !info.Mode().IsRegular()
	}
	if f.fixed {
		return nil
	}
	temp, err := f.temp()
	if err != nil {
		return err
	}
	temp.Close()
	return os.Remove(temp.Name())
}

// temp makes a file beside the one that it will replace.
func (f *output) temp() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(f.name), "."+filepath.Base(f.name)+".*")
}

// write fills the files and puts them where they belong.
func (files outputs) write() error {
	for _, f := range files {
		if err := f.put(); err != nil {
			return err
		}
	}
	return nil
}

func (f *output) put() (err error) {
	var to *os.File
	if f.fixed {
		to, err = os.OpenFile(f.name, os.O_WRONLY|os.O_APPEND, 0)
	} else {
		to, err = f.temp()
	}
	if err != nil {
		return err
	}
	defer to.Close()
	if !f.fixed {
		defer func() {
			if err != nil {
				os.Remove(to.Name())
			}
		}()
	}
	w := bufio.NewWriter(to)
	if err := f.write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil || f.fixed {
		return err
	}
	if f.private { // as temp has made it
		err = to.Sync()
	} else {
		err = to.Chmod(0o644)
	}
	if err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	return os.Rename(to.Name(), f.name)
}
