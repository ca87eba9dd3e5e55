// Package exportfile reads and writes what a store is exported to.
//
// It is a line that says what it is and in which version, and records: a kind, the length of the body in four bytes, the body, and
// a CRC-32C of everything in the file before it. A head comes first, then each stream with its data, and an end, which
// nothing follows. Numbers are big-endian.
package exportfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"time"
)

const (
	magic   = "tidewire store "
	version = 1
	line    = 80      // the most that the line has
	most    = 1 << 20 // the most that a body has

	kindHead   = 'H' // Head
	kindStream = 'S' // Stream
	kindData   = 'D' // a part of the stream's snapshot, as JetStream makes it
	kindEnd    = 'E' // end
)

// Head begins an export.
type Head struct {
	Name string    `json:"name"` // of the brokers whose streams they are
	Made time.Time `json:"made"`
}

// Stream begins a stream of it.
type Stream struct {
	Epoch  string          `json:"epoch"`
	Config json.RawMessage `json:"config"` // as JetStream has it
	State  json.RawMessage `json:"state"`
}

type end struct {
	Streams int `json:"streams"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	// ErrNone says that something else was read.
	ErrNone = errors.New("it is not a tidewire export")

	// ErrTruncated says that the end is missing.
	ErrTruncated = errors.New("the export is truncated: it has no end")
)

// damaged says where an export is not what was written.
func damaged(at int64) error { return fmt.Errorf("the export is damaged before byte %d", at) }

// Writer writes an export. What it wrote is one only once End has returned nil.
type Writer struct {
	w       io.Writer
	sum     uint32
	streams int
}

// NewWriter begins one.
func NewWriter(w io.Writer, head Head) (*Writer, error) {
	x := &Writer{w: w}
	if err := x.put([]byte(magic + strconv.Itoa(version) + "\n")); err != nil {
		return nil, err
	}
	return x, x.writeJSON(kindHead, head)
}

// Stream begins a stream.
func (x *Writer) Stream(s Stream) error {
	x.streams++
	return x.writeJSON(kindStream, s)
}

// Data writes a part of the stream's data, of 1 MiB at most.
func (x *Writer) Data(p []byte) error { return x.write(kindData, p) }

// End ends the export.
func (x *Writer) End() error { return x.writeJSON(kindEnd, end{x.streams}) }

func (x *Writer) put(p []byte) error {
	x.sum = crc32.Update(x.sum, castagnoli, p)
	_, err := x.w.Write(p)
	return err
}

// write writes a record.
func (x *Writer) write(kind byte, body []byte) error {
	if len(body) > most {
		return fmt.Errorf("a record has %d bytes; %d are the most", len(body), most)
	}
	if err := x.put(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)))); err != nil {
		return err
	}
	if err := x.put(body); err != nil {
		return err
	}
	return x.put(binary.BigEndian.AppendUint32(nil, x.sum))
}

func (x *Writer) writeJSON(kind byte, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.write(kind, body)
}

// reader reads records. What it returns was checked up to there.
type reader struct {
	r    *bufio.Reader
	at   int64
	sum  uint32
	body []byte
}

// read fills p.
func (x *reader) read(p []byte) error {
	n, err := io.ReadFull(x.r, p)
	x.at += int64(n)
	x.sum = crc32.Update(x.sum, castagnoli, p[:n])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrTruncated
	}
	return err
}

// first reads the line.
func (x *reader) first() error {
	p, err := x.r.Peek(line)
	if err != nil && err != io.EOF {
		return err
	}
	end := bytes.IndexByte(p, '\n')
	if !bytes.HasPrefix(p, []byte(magic)) || end < 0 {
		return ErrNone
	}
	if v := string(p[len(magic):end]); v != strconv.Itoa(version) {
		return fmt.Errorf("the export has version %q, and version %d is known here", v, version)
	}
	return x.read(make([]byte, end+1))
}

// next reads a record. The body is good until the next call.
func (x *reader) next() (kind byte, body []byte, err error) {
	var head [5]byte
	if err := x.read(head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > most {
		return 0, nil, damaged(x.at)
	}
	if cap(x.body) < int(n) {
		x.body = make([]byte, n)
	}
	x.body = x.body[:n]
	if err := x.read(x.body); err != nil {
		return 0, nil, err
	}
	want := x.sum
	var sum [4]byte
	if err := x.read(sum[:]); err != nil {
		return 0, nil, err
	}
	if binary.BigEndian.Uint32(sum[:]) != want {
		return 0, nil, damaged(x.at)
	}
	return head[0], x.body, nil
}

// Found is a stream of an export.
type Found struct {
	Stream
	at  int64 // where its data begins
	sum uint32
}

// Contents is what is in an export.
type Contents struct {
	Head
	Streams []Found
}

// Read reads an export from its beginning to its end, and reports what is wrong with it.
func Read(r io.ReadSeeker) (*Contents, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	x := &reader{r: bufio.NewReaderSize(r, 64<<10)}
	if err := x.first(); err != nil {
		return nil, err
	}
	c := &Contents{}
	kind, body, err := x.next()
	if err != nil {
		return nil, err
	}
	if kind != kindHead || json.Unmarshal(body, &c.Head) != nil {
		return nil, damaged(x.at)
	}
	for {
		if kind, body, err = x.next(); err != nil {
			return nil, err
		}
		switch kind {
		case kindStream:
			var s Stream
			if json.Unmarshal(body, &s) != nil || s.Epoch == "" {
				return nil, damaged(x.at)
			}
			c.Streams = append(c.Streams, Found{s, x.at, x.sum})
		case kindData:
			if len(c.Streams) == 0 || len(body) == 0 {
				return nil, damaged(x.at)
			}
		case kindEnd:
			var e end
			if json.Unmarshal(body, &e) != nil || e.Streams != len(c.Streams) || e.Streams == 0 {
				return nil, damaged(x.at)
			}
			if _, err := x.r.ReadByte(); err == nil {
				return nil, fmt.Errorf("the export is damaged: there is something behind its end at byte %d", x.at)
			} else if err != io.EOF {
				return nil, err
			}
			return c, nil
		default:
			return nil, damaged(x.at)
		}
	}
}

// Data calls f with the parts of the stream's data, each of which is good until f returns. r is what Read was given.
func (s *Found) Data(r io.ReadSeeker, f func([]byte) error) error {
	if _, err := r.Seek(s.at, io.SeekStart); err != nil {
		return err
	}
	x := &reader{r: bufio.NewReaderSize(r, 64<<10), at: s.at, sum: s.sum}
	for {
		kind, body, err := x.next()
		if err != nil || kind != kindData {
			return err
		}
		if err := f(body); err != nil {
			return err
		}
	}
}
