package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// File is an Outbox in a file, for one program that appends and one relay. What was appended or ended is on disk. It stands for
// the table in the application's database.
type File struct {
	name string

	mu   sync.Mutex
	last int64
}

// OpenFile returns the Outbox in a file, which need not be there yet.
func OpenFile(name string) (*File, error) {
	f := &File{name: name}
	return f, f.each(func(r *Row, _ *Outcome) {
		if r != nil {
			f.last = max(f.last, r.ID)
		}
	})
}

// Append puts a message into the outbox. In a database it is an INSERT in the transaction of what the message tells of.
func (f *File) Append(room, typ string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return f.write(Row{f.last, room, typ, raw})
}

// Claim implements Outbox.
func (f *File) Claim(_ context.Context, most int) ([]Row, func(Outcome) error, error) {
	var rows []Row
	done := map[int64]bool{}
	err := f.each(func(r *Row, o *Outcome) {
		if r != nil {
			rows = append(rows, *r)
			return
		}
		for _, id := range o.Sent {
			done[id] = true
		}
		for id := range o.Given {
			done[id] = true
		}
	})
	if err != nil {
		return nil, nil, err
	}
	rows = slices.DeleteFunc(rows, func(r Row) bool { return done[r.ID] })
	return rows[:min(len(rows), most)], func(o Outcome) error { return f.write(o) }, nil
}

// write appends a line and waits until it is on disk. It begins with a line break: a line before it that a crash has
// cut off stays alone.
func (f *File) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(f.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(slices.Concat([]byte("\n"), line, []byte("\n")))
	return errors.Join(err, file.Sync(), file.Close())
}

// each calls do for each line, with a row or with an outcome.
func (f *File) each(do func(*Row, *Outcome)) error {
	all, err := os.ReadFile(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for line := range bytes.SplitSeq(all, []byte("\n")) {
		var v struct {
			Row
			Outcome
		}
		if json.Unmarshal(line, &v) != nil {
			continue // nothing, or what a crash has cut off: that was never said to be there
		}
		if v.ID > 0 {
			do(&v.Row, nil)
		} else {
			do(nil, &v.Outcome)
		}
	}
	return err
}
