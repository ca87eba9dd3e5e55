package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/load"
)

type benchCommand struct {
	Run     benchRun     `cmd:"" default:"withargs" help:"Put a server under load and measure it."`
	Compare benchCompare `cmd:"" help:"Say what has changed between two runs, beyond their noise."`
}

// Help is kong's hook.
func (*benchCommand) Help() string {
	return `Examples:

  tidewire bench ws://127.0.0.1:9001/ -c 64
  tidewire bench ws://127.0.0.1:9001/ -c 64 --depth 32 --json a.json
  tidewire bench ws://127.0.0.1:9001/ -c 64 --size 1024 --compress takeover
  tidewire bench ws://127.0.0.1:9001/ -c 1000 --rate 20000 --html report.html
  tidewire bench ws://127.0.0.1:9001/ -c 5000 --scenario live --rooms 500 --rate 100
  tidewire bench compare a.json b.json

Scenarios: echo (each message comes back to its sender), fanout (the first
connection's messages come to every connection), upgrade (connections are made
and closed), idle (connections are held), live (sessions are in rooms, and what
is published to a room comes to all that are in it). Without --rate the loop is closed: a
message is sent when an earlier one has come back, and a server that stalls is
not asked while it does. With --rate messages are due whatever the server does,
and latency counts from when they were due. The exit status is 5 when there
were errors or messages were lost.`
}

type benchRun struct {
	Target string `arg:"" help:"Server to load: a ws:// or wss:// URL."`

	Scenario    string        `help:"What connections do: ${enum}." enum:"echo,fanout,upgrade,idle,live" default:"echo"`
	Connections int           `short:"c" help:"Connections at once." default:"1"`
	Depth       int           `help:"Messages in flight per connection, or per publisher of live, in a closed loop." default:"1"`
	Rate        float64       `help:"Open loop: messages due per second, over all connections, from the sender of a fanout, or from all publishers of live; 0 means a closed loop." default:"0"`
	Size        string        `help:"Bytes of a message, or a distribution: sizes with weights, such as 16:70,1024:25,65536:5." default:"125"`
	Compress    string        `help:"Negotiate permessage-deflate and send compressed messages: ${enum}. With takeover, messages refer to earlier ones, both ways." enum:"off,no-takeover,takeover" default:"off"`
	Rooms       int           `help:"Rooms of live, which the sessions are spread over; 0 means 1." default:"0"`
	RoomPrefix  string        `help:"How their names begin; a number follows. Empty means room:." default:""`
	Publishers  int           `help:"Members of each room of live that publish; 0 means 1." default:"0"`
	Stall       int           `help:"Sessions of live that stop reading once they are in their rooms." default:"0"`
	Text        bool          `help:"Send text messages instead of binary ones."`
	Duration    time.Duration `short:"d" help:"How long to measure." default:"10s"`
	Warmup      time.Duration `help:"How long to load the server before that." default:"1s"`
	Ramp        time.Duration `help:"Over how long to open the connections; 0s means as fast as it goes." default:"0s"`
	Timeout     time.Duration `help:"The longest to wait for a handshake or a message." default:"10s"`
	Sources     int           `help:"Connect from so many addresses, from 127.0.0.1 on; one has some 28,000 ports. 0 means the system's choice." default:"0"`
	PID         int           `name:"pid" help:"The server's process, to measure its CPU time too (Linux)." default:"0"`

	HTML  string `name:"html" help:"Write a page with charts to this file." placeholder:"FILE"`
	JSON  string `name:"json" help:"Write everything as JSON to this file, for tidewire bench compare." placeholder:"FILE"`
	Quiet bool   `short:"q" help:"Print no line every second."`

	serverFlags
}

// errFaulty is a run in which something went wrong on the wire.
var errFaulty = errors.New("there were errors, or messages were lost")

// Validate is kong's hook.
func (b *benchRun) Validate() error {
	switch {
	case b.Connections < 1 || b.Connections > 1_000_000:
		return fmt.Errorf("--connections is %d; it must be from 1 to 1000000", b.Connections)
	case b.Depth < 1 || b.Depth > 10_000:
		return fmt.Errorf("--depth is %d; it must be from 1 to 10000", b.Depth)
	case b.Sources < 0 || b.Sources > 254:
		return fmt.Errorf("--sources is %d; it must be from 0 to 254", b.Sources)
	case b.Rate < 0:
		return fmt.Errorf("--rate is %g; it must not be negative", b.Rate)
	}
	for name, d := range map[string]time.Duration{"duration": b.Duration, "timeout": b.Timeout} {
		if d <= 0 {
			return fmt.Errorf("--%s is %v; it must be more than 0", name, d)
		}
	}
	if b.Warmup < 0 || b.Ramp < 0 {
		return errors.New("--warmup and --ramp must not be negative")
	}
	if _, err := load.ParseSizes(b.Size); err != nil {
		return err
	}
	return b.serverFlags.validate()
}

// Run loads the server, prints what was measured and writes the reports.
func (b *benchRun) Run(ctx context.Context, std stdio) error {
	var found *load.Report
	files, err := tryOutputs(
		&output{name: b.HTML, write: func(w io.Writer) error { return found.HTML(w) }},
		&output{name: b.JSON, write: func(w io.Writer) error { return found.JSON(w) }},
	)
	if err != nil {
		return err
	}
	plan := load.Plan{
		URL: b.Target, Scenario: load.Scenario(b.Scenario), Connections: b.Connections, Depth: b.Depth, Rate: b.Rate, Text: b.Text,
		Duration: b.Duration, Warmup: b.Warmup, Ramp: b.Ramp, Timeout: b.Timeout, PID: b.PID, Header: b.header(),
		Compression: load.Compression(b.Compress), Rooms: b.Rooms, RoomPrefix: b.RoomPrefix, Publishers: b.Publishers, Stalled: b.Stall,
	}
	if plan.Sizes, err = load.ParseSizes(b.Size); err != nil {
		return err
	}
	if plan.TLS, err = b.tls(); err != nil {
		return err
	}
	plan.Dial = b.dial()
	if !b.Quiet {
		plan.Progress = func(w load.Window) { fmt.Fprintln(std.err, w) }
	}
	if found, err = load.Run(ctx, plan); err != nil {
		return err
	}
	found.Tool = "tidewire " + version()
	// The files come first: whoever reads the output may close it, which ends the process.
	unwritten := files.write()
	if err := found.Print(std.out); err != nil {
		return err
	}
	if unwritten != nil {
		return unwritten
	}
	switch {
	case found.Stopped:
		return errors.New("stopped before the end")
	case !found.OK():
		return errFaulty
	}
	return nil
}

// dial makes connections from the sources in turn.
func (b *benchRun) dial() func(context.Context, string, string) (net.Conn, error) {
	var dialled atomic.Int64
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := dialer(b.YesIOwnThisServer)
		if b.Sources > 0 {
			n := int(dialled.Add(1) - 1)
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + n%b.Sources)}), 0))
		}
		return d.DialContext(ctx, network, address)
	}
}

type benchCompare struct {
	A string `arg:"" help:"The JSON of one run." type:"existingfile"`
	B string `arg:"" help:"The JSON of a later one." type:"existingfile"`
}

// Run prints the comparison.
func (b *benchCompare) Run(io stdio) error {
	one, err := readReport(b.A)
	if err != nil {
		return err
	}
	other, err := readReport(b.B)
	if err != nil {
		return err
	}
	changes, differences := load.Compare(one, other)
	return load.PrintChanges(io.out, changes, differences)
}

func readReport(name string) (*load.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := load.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}
