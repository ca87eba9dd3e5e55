package natsbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// ServerOptions configures a Server. The zero value of each field but Dir is its default.
type ServerOptions struct {
	// Dir is the folder in which messages are stored, made if need be. One server at a time may use it.
	Dir string

	// SyncEvery is how often what was stored is made to outlive a loss of power. 0 means before each message is
	// acknowledged. With more, what was acknowledged within that time may be lost with the machine; not with the
	// process, which may be killed at any time.
	SyncEvery time.Duration

	// MaxBytes bounds what is stored in all. 0 means three quarters of what the disk had free at the start.
	MaxBytes int64

	// Cluster makes it one of several servers. nil means that it is alone.
	Cluster *ClusterOptions

	// Logger hears what the server says. nil means slog.Default().
	Logger *slog.Logger
}

// Server is a NATS server within the process. It listens nowhere but for the other servers of its cluster: only the process's own
// brokers reach it. When it cannot write, as the disk is full, it stores nothing until it can: then it is started anew, and
// the brokers connect to it again by themselves.
type Server struct {
	set  ServerOptions
	name string
	log  *slog.Logger
	lock *os.File
	ns   atomic.Pointer[server.Server] // another one behind each mending

	closing chan struct{}
	closed  sync.Once
	mending sync.WaitGroup
}

const startWait = 30 * time.Second

// ErrInUse says that another process has the folder of a server: one at a time may.
var ErrInUse = errors.New("another process uses it")

// StartServer starts a server, and waits until it has read what is stored.
func StartServer(o ServerOptions) (*Server, error) { return startServer(o, false) }

// startServer starts one. Where an import has not finished only the import itself may.
func startServer(o ServerOptions, importing bool) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("natsbroker: ServerOptions.Dir is empty")
	}
	if o.SyncEvery < 0 || o.MaxBytes < 0 {
		return nil, errors.New("natsbroker: a negative option")
	}
	if o.Cluster != nil {
		if err := o.Cluster.validate(); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("natsbroker: %w", err)
	}
	lock, err := lockFile(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("natsbroker: %s: %w", o.Dir, err)
	}
	os.Remove(filepath.Join(o.Dir, roomFile)) // of a process that was killed
	s := &Server{set: o, log: o.Logger, lock: lock, closing: make(chan struct{})}
	if s.log == nil {
		s.log = slog.Default()
	}
	if _, err = os.Stat(filepath.Join(o.Dir, importingFile)); err == nil && !importing {
		err = errImporting
	} else {
		s.name, err = claim(o.Dir, o.Cluster)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("natsbroker: %s: %w", o.Dir, err)
	}
	if err := s.start(); err != nil {
		lock.Close()
		return nil, err
	}
	if !importing { // which fails where the disk is full; and NATS does not lock what it notes of a stream that is restored
		s.mending.Go(s.mend)
	}
	return s, nil
}

// start starts the server, and waits until it has read what is stored.
func (s *Server) start() error {
	o := s.set
	set := &server.Options{
		ServerName:        s.name,
		DontListen:        true,
		JetStream:         true,
		StoreDir:          o.Dir,
		JetStreamMaxStore: cmp.Or(o.MaxBytes, -1),
		SyncAlways:        o.SyncEvery == 0,
		SyncInterval:      cmp.Or(o.SyncEvery, time.Minute),
		NoSigs:            true,
		NoLog:             true,
	}
	if o.Cluster != nil {
		o.Cluster.apply(set)
	}
	ns, err := server.NewServer(set)
	if err != nil {
		return fmt.Errorf("natsbroker: %w", err)
	}
	var fatal atomic.Bool // behind which there is nothing to wait for
	ns.SetLoggerV2(serverLog{s.log, &fatal}, false, false, false)
	ns.Start()
	if o.Cluster != nil && !fatal.Load() { // else Start has returned before it had routes
		// Start leaves the routes waiting for the clients' listener, of which there is none. It waits for ever, but this
		// call ends what is counted for it, so that Shutdown ends.
		ready := make(chan struct{})
		close(ready)
		ns.StartRouting(ready)
	}
	if fatal.Load() || !ns.ReadyForConnections(startWait) || !ns.JetStreamEnabled() {
		ns.Shutdown()
		ns.WaitForShutdown()
		return fmt.Errorf("natsbroker: the server on %s did not start: its log says why", o.Dir)
	}
	if c := ns.JetStreamConfig(); c != nil {
		s.set.MaxBytes = c.MaxStore // to be the same when it is started anew on a disk that is fuller
	}
	s.ns.Store(ns)
	return nil
}

// Connect returns a broker on the server. nil options mean the defaults.
func (s *Server) Connect(o *Options) (*Broker, error) {
	set, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return open("", set, nats.InProcessServer(within{s}))
}

// within is how brokers reach the server that there is.
type within struct{ s *Server }

func (w within) InProcessConn() (net.Conn, error) { return w.s.ns.Load().InProcessConn() }

// Close ends the server. Its brokers are to be closed before.
func (s *Server) Close() error {
	s.closed.Do(func() { close(s.closing) })
	s.mending.Wait()
	s.end()
	return s.lock.Close()
}

func (s *Server) end() {
	ns := s.ns.Load()
	ns.Shutdown()
	ns.WaitForShutdown()
}

// serverLog is a NATS server's log as a slog.Logger has it. What it notices is for who debugs.
type serverLog struct {
	log   *slog.Logger
	fatal *atomic.Bool // set when it gives up: NATS's own log ends the process then
}

func (l serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, v...))
}
func (l serverLog) Warnf(format string, v ...any) { l.log.Warn("nats: " + fmt.Sprintf(format, v...)) }
func (l serverLog) Errorf(format string, v ...any) {
	level := slog.LevelError
	if strings.HasPrefix(format, "Error trying to connect to route") {
		level = slog.LevelWarn // the other server may not have started yet
	}
	l.log.Log(context.Background(), level, "nats: "+fmt.Sprintf(format, v...))
}
func (l serverLog) Fatalf(format string, v ...any) {
	l.fatal.Store(true)
	l.log.Error("nats: " + fmt.Sprintf(format, v...))
}
func (l serverLog) Debugf(string, ...any) {}
func (l serverLog) Tracef(string, ...any) {}
