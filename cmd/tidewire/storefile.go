package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/tidewire/tidewire/live/natsbroker"
)

// storeCommand takes what "serve" stores out of a store and puts it into another one.
type storeCommand struct {
	Export exportCommand `cmd:"" help:"Write what is stored to a file."`
	Import importCommand `cmd:"" help:"Make a store of what was exported."`
}

const storeHelp = `A store that one server keeps becomes a cluster's like this, and the other way round:

  tidewire store export --data DIR FILE
  tidewire store import FILE --data DIR1,DIR2,DIR3 --cluster-name NAME

Each of the three folders is then moved to the machine of its server. Clients go on where they were.`

// Help is kong's hook.
func (storeCommand) Help() string { return storeHelp }

type exportCommand struct {
	File string   `arg:"" help:"The file to write; - means standard output. It is replaced only when all was written."`
	Data []string `help:"The folder of a server that does not run, or those of a cluster's servers, separated by commas: all, or a majority." placeholder:"DIR" xor:"store" required:"" env:"-"`
	NATS string   `name:"nats" help:"NATS servers that go on to serve: nats://host:port, several separated by commas. What is published meanwhile may be in the file or not." placeholder:"URL" xor:"store" required:"" env:"-"`
	Name string   `help:"What the names of the streams begin with: --name of serve." default:"tidewire"`
}

// Run exports.
func (c *exportCommand) Run(ctx context.Context, std stdio, log *slog.Logger) error {
	if c.File == "-" {
		return c.export(ctx, std.out, log)
	}
	var n counter
	files, err := tryOutputs(&output{name: c.File, private: true, write: func(w io.Writer) error {
		return c.export(ctx, io.MultiWriter(w, &n), log)
	}})
	if err != nil {
		return err
	}
	if err := files.write(); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Exported %d bytes to %s.\n", n, c.File)
	return nil
}

func (c *exportCommand) export(ctx context.Context, w io.Writer, log *slog.Logger) error {
	o := &natsbroker.Options{Name: c.Name, Logger: log}
	if c.NATS == "" {
		return natsbroker.ExportFolders(ctx, w, c.Data, o)
	}
	b, err := natsbroker.Connect(c.NATS, o)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Export(ctx, w)
}

// counter counts what is written.
type counter int64

func (n *counter) Write(p []byte) (int, error) {
	*n += counter(len(p))
	return len(p), nil
}

type importCommand struct {
	File        string   `arg:"" help:"The file that was exported; - means standard input, which is first kept in a temporary file."`
	Data        []string `help:"The folder to make, or those of a cluster's servers, three at least, separated by commas." placeholder:"DIR" xor:"store" required:"" env:"-"`
	ClusterName string   `help:"With --data: the name of the cluster." placeholder:"NAME" env:"-"`
	NATS        string   `name:"nats" help:"NATS servers to store it on: nats://host:port, several separated by commas." placeholder:"URL" xor:"store" required:"" env:"-"`
	Name        string   `help:"With --nats: what the names of the streams begin with, which is --name of the export." default:"tidewire"`
}

// Validate is kong's hook.
func (c *importCommand) Validate() error {
	switch {
	case c.ClusterName != "" && c.NATS != "":
		return errors.New("--cluster-name goes with --data")
	case c.NATS == "" && c.ClusterName == "" && len(c.Data) > 1:
		return errors.New("several folders are a cluster's: give it a name with --cluster-name, as serve has it")
	}
	return nil
}

// Run imports.
func (c *importCommand) Run(ctx context.Context, std stdio, log *slog.Logger) error {
	file, done, err := c.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	o := &natsbroker.Options{Name: c.Name, Logger: log}
	if c.NATS == "" {
		if err := natsbroker.ImportFolders(ctx, file, c.Data, c.ClusterName, o); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "Imported into %s.\n", strings.Join(c.Data, ", "))
		return nil
	}
	b, err := natsbroker.Connect(c.NATS, o)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Import(ctx, file); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Imported.\n")
	return nil
}

// open opens the file, which is read twice: what comes through a pipe is kept in a temporary one.
func (c *importCommand) open(ctx context.Context, std stdio) (file *os.File, done func(), err error) {
	in := std.in
	if c.File != "-" {
		if file, err = os.Open(c.File); err != nil {
			return nil, nil, err
		}
		if _, err := file.Seek(0, io.SeekCurrent); err == nil {
			return file, func() { file.Close() }, nil
		}
		defer file.Close()
		in = file
	}
	if file, err = os.CreateTemp("", "tidewire-"); err != nil {
		return nil, nil, err
	}
	os.Remove(file.Name()) // gone with the process, where the system has that
	done = func() {
		file.Close()
		os.Remove(file.Name())
	}
	copied := make(chan error, 1)
	go func() { // a read of a terminal ends with the process, not with ctx
		_, err := io.Copy(file, in)
		copied <- err
	}()
	select {
	case err = <-copied:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return file, done, nil
}
