package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"

	"github.com/tidewire/tidewire/conformance/report"
)

// reportFiles are the files that a run will fill. They are made before the run,
// so that a wrong path is told before anybody waits; a file that stood there stays
// until there is something better.
type reportFiles []*reportFile

type reportFile struct {
	name  string
	temp  *os.File
	write func(*report.Report, io.Writer) error
}

func (k *checkCommand) openReports() (files reportFiles, err error) {
	for _, f := range []reportFile{
		{name: k.HTML, write: (*report.Report).HTML},
		{name: k.JUnit, write: (*report.Report).JUnit},
		{name: k.JSON, write: (*report.Report).JSON},
	} {
		if f.name == "" {
			continue
		}
		if f.temp, err = os.CreateTemp(filepath.Dir(f.name), "."+filepath.Base(f.name)+".*"); err != nil {
			files.discard()
			return nil, err
		}
		files = append(files, &f)
	}
	return files, nil
}

// write fills the files and puts them where they belong.
func (files reportFiles) write(found *report.Report) error {
	for _, f := range files {
		w := bufio.NewWriter(f.temp)
		err := f.write(found, w)
		if err == nil {
			err = w.Flush()
		}
		if err == nil {
			err = f.temp.Chmod(0o644)
		}
		if err == nil {
			err = f.temp.Close()
		}
		if err == nil {
			err = os.Rename(f.temp.Name(), f.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// discard removes what was not put in place.
func (files reportFiles) discard() {
	for _, f := range files {
		f.temp.Close()
		os.Remove(f.temp.Name())
	}
}
