package natsbroker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	ports "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidewire/tidewire/live/natsbroker/internal/exportfile"
)

// importingFile is in a folder while it is imported into: who finds it there finds no store.
const importingFile = "importing"

// ExportFolders writes what Broker.Export does, of a store that no server uses: the folder of one that is alone, or those of a
// cluster's servers, all of them or a majority. It runs the servers itself, on the loopback, until it has written all.
// Nothing can be published meanwhile, so that nothing acknowledged is left behind. nil options mean the defaults.
func ExportFolders(ctx context.Context, w io.Writer, dirs []string, o *Options) error {
	if err := exportFolders(ctx, w, dirs, o); err != nil {
		return fmt.Errorf("natsbroker: export: %w", err)
	}
	return nil
}

func exportFolders(ctx context.Context, w io.Writer, dirs []string, o *Options) (err error) {
	set, err := o.withDefaults()
	if err != nil {
		return err
	}
	if err := distinct(dirs); err != nil {
		return err
	}
	cluster := ""
	for i, dir := range dirs {
		kind, err := kindOf(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		name, _ := strings.CutPrefix(kind, "cluster ")
		switch {
		case kind == "standalone" && len(dirs) > 1:
			return fmt.Errorf("%s: the store is one server's own, and there are other folders", dir)
		case kind == "standalone":
		case i > 0 && name != cluster:
			return fmt.Errorf("%s is of the cluster %q, and %s of %q", dir, name, dirs[0], cluster)
		default:
			cluster = name
		}
	}
	if cluster != "" && len(dirs) == 1 {
		return fmt.Errorf("%s is of the cluster %q: the folders of a majority of its servers are needed", dirs[0], cluster)
	}
	fleet, err := launch(dirs, cluster, false, set.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.close()) }()
	b, err := fleet.connect(ctx, 0, set)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.export(ctx, w)
}

// ImportFolders makes stores of what was exported. With a cluster's name they are of a cluster, and there are three folders
// at least: each is then one server's, wherever that runs. Without, there is one folder, of a server that is alone. The folders are made,
// or are empty. If it fails it leaves none of it; if it is killed, what it leaves is refused by StartServer.
//
// r is read twice, from its beginning. Options.Name does not count: the export has the name. nil options mean the defaults.
func ImportFolders(ctx context.Context, r io.ReadSeeker, dirs []string, cluster string, o *Options) error {
	if err := importFolders(ctx, r, dirs, cluster, o); err != nil {
		return fmt.Errorf("natsbroker: import: %w", err)
	}
	return nil
}

func importFolders(ctx context.Context, r io.ReadSeeker, dirs []string, cluster string, o *Options) (err error) {
	set, err := o.withDefaults()
	if err != nil {
		return err
	}
	switch {
	case cluster == "" && len(dirs) != 1:
		return fmt.Errorf("there are %d folders, which are a cluster's: it needs a name", len(dirs))
	case cluster != "" && len(dirs) < 3:
		return fmt.Errorf("a cluster has 3 servers at least, each with a folder, and the folders are %d: with two, neither could go on without the other", len(dirs))
	}
	if err := distinct(dirs); err != nil {
		return err
	}
	c, err := exportfile.Read(r)
	if err != nil {
		return err
	}
	set.Name = c.Name
	var made []target
	defer func() {
		if err != nil {
			for _, t := range made {
				err = errors.Join(err, t.remove())
			}
		}
	}()
	for _, dir := range dirs {
		t, err := newTarget(dir)
		if err != nil {
			return err
		}
		made = append(made, t)
	}
	if err := restoreFolders(ctx, r, c, dirs, cluster, set); err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := syncAll(dir); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		if err := os.Remove(filepath.Join(dir, importingFile)); err != nil {
			return err
		}
	}
	return nil
}

// restoreFolders runs the servers of new folders, until each has what is in an export.
func restoreFolders(ctx context.Context, r io.ReadSeeker, c *exportfile.Contents, dirs []string, cluster string, set Options) (err error) {
	fleet, err := launch(dirs, cluster, true, set.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.close()) }()
	b, err := fleet.connect(ctx, len(dirs), set)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.restoreAll(ctx, r, c); err != nil {
		return err
	}
	all, err := b.stored(ctx)
	for _, name := range all {
		if err == nil {
			err = fleet.have(ctx, b, name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return err
}

// kindOf returns what kind of server a folder belongs to, as claim has noted it.
func kindOf(dir string) (string, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return "", errors.Unwrap(err) // it names the folder
	}
	if _, err := os.Stat(filepath.Join(dir, importingFile)); err == nil {
		return "", errImporting
	}
	p, err := os.ReadFile(filepath.Join(dir, nodeFile))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, "jetstream")); err != nil {
			return "", errors.New("there is no store in it")
		}
		return "standalone", nil
	}
	kind, _, _ := strings.Cut(string(p), "\n")
	return kind, err
}

// distinct reports folders that are named twice, or not at all.
func distinct(dirs []string) error {
	var seen []string
	for _, dir := range dirs {
		full, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if real, err := filepath.EvalSymlinks(full); err == nil {
			full = real
		}
		if dir == "" || slices.Contains(seen, full) {
			return fmt.Errorf("the folder %q is named twice, or has no name", dir)
		}
		seen = append(seen, full)
	}
	if len(dirs) == 0 {
		return errors.New("there is no folder")
	}
	return nil
}

// target is a folder that is imported into.
type target struct {
	dir string
	new bool // it was made for that
}

// newTarget makes a folder, or takes one that is empty, and marks it.
func newTarget(dir string) (target, error) {
	t := target{dir: dir}
	all, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		t.new = true
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return t, err
		}
	case err != nil:
		return t, err
	case len(all) > 0:
		return t, fmt.Errorf("%s: the folder is not empty", dir)
	}
	return t, writeFile(filepath.Join(dir, importingFile), "An import into this folder has not finished.\n")
}

// remove removes what was made; the mark last.
func (t target) remove() error {
	all, err := os.ReadDir(t.dir)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.Name() != importingFile {
			err = errors.Join(err, os.RemoveAll(filepath.Join(t.dir, x.Name())))
		}
	}
	if err == nil {
		err = os.Remove(filepath.Join(t.dir, importingFile))
	}
	if err == nil && t.new {
		err = os.Remove(t.dir)
	}
	return err
}

// syncAll has all that is in a folder be on the disk.
func syncAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// fleet is the servers of folders, which run for the time that an export or an import takes.
type fleet []*Server

// debugging is a log in which everything is for who debugs: servers that run for a moment warn of what is no matter then.
type debugging struct{ slog.Handler }

func (d debugging) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

func (d debugging) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

// launch starts them. If importing is set the folders are marked so.
func launch(dirs []string, cluster string, importing bool, log *slog.Logger) (fleet, error) {
	all := make(fleet, len(dirs))
	errs := make([]error, len(dirs))
	var peers []string
	var proof *tls.Config
	if cluster != "" {
		var err error
		if proof, err = passing(); err != nil {
			return nil, err
		}
		for range max(len(dirs), 3) { // a cluster knows three, of which one may be missing
			addr, err := unused()
			if err != nil {
				return nil, err
			}
			peers = append(peers, addr)
		}
	}
	var starting sync.WaitGroup
	for i, dir := range dirs {
		starting.Go(func() {
			// Nothing is acknowledged to anybody: what is imported is synced at the end.
			o := ServerOptions{Dir: dir, SyncEvery: time.Minute, Logger: slog.New(debugging{log.Handler()})}
			if cluster != "" {
				o.Cluster = &ClusterOptions{Name: cluster, Listen: peers[i], Peers: peers, TLS: proof}
			}
			all[i], errs[i] = startServer(o, importing)
		})
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		all.close()
		return nil, slices.MinFunc(errs, func(a, b error) int { // one says enough
			switch {
			case a != nil && b == nil:
				return -1
			case a == nil && b != nil:
				return 1
			}
			return 0
		})
	}
	return all, nil
}

// connect returns a broker on the servers, once these have a leader, who knows so many of them.
func (f fleet) connect(ctx context.Context, peers int, set Options) (*Broker, error) {
	for end := time.Now().Add(startWait); !f.led(peers); sleep(ctx, 10*time.Millisecond) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("the servers of %d folders have no leader: are these a majority of the cluster's?", len(f))
		}
	}
	return f[0].Connect(&set)
}

func (f fleet) led(peers int) bool {
	return len(f) == 1 || slices.ContainsFunc(f, func(s *Server) bool {
		return s.ns.JetStreamIsLeader() && len(s.ns.JetStreamClusterPeers()) >= peers
	})
}

// have waits until each server that is to have a stream has all of it.
func (f fleet) have(ctx context.Context, b *Broker, name string) error {
	var was string
	for end := time.Now().Add(exportSilence); ; sleep(ctx, 20*time.Millisecond) {
		info, err := b.infoOf(ctx, name)
		if err != nil {
			return err
		}
		n, now := 0, ""
		for _, s := range f {
			state, ok := s.has(name)
			now += fmt.Sprint(state.FirstSeq, state.LastSeq, state.Msgs, " ")
			if ok && state.FirstSeq == info.State.FirstSeq && state.LastSeq == info.State.LastSeq && state.Msgs == info.State.Msgs {
				n++
			}
		}
		if n >= info.Config.Replicas {
			return nil
		}
		if now != was {
			was, end = now, time.Now().Add(exportSilence) // it goes on
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return errors.Join(fmt.Errorf("%d of %d servers have it", n, info.Config.Replicas), ctx.Err())
		}
	}
}

// has returns what this server has of a stream.
func (s *Server) has(name string) (server.StreamState, bool) {
	info, err := s.ns.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
	if err == nil {
		for _, a := range info.AccountDetails {
			for _, one := range a.Streams {
				if one.Name == name {
					return one.State, true
				}
			}
		}
	}
	return server.StreamState{}, false
}

// close ends the servers. They go together: none has to wait until another one leads what it led.
func (f fleet) close() error {
	errs := make([]error, len(f))
	var closing sync.WaitGroup
	for i, s := range f {
		if s != nil {
			closing.Go(func() { errs[i] = s.Close() })
		}
	}
	closing.Wait()
	return errors.Join(errs...)
}

// unused returns an address on the loopback where nobody listens, with a port that no system gives to who asks for any.
func unused() (string, error) {
	for try := 0; ; try++ {
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+ports.IntN(20_000)))
		if err == nil {
			return ln.Addr().String(), ln.Close()
		}
		if try == 100 {
			return "", err
		}
	}
}

// passing returns how the servers of a fleet know each other, by a key that nobody else ever has: the loopback is not theirs alone.
func passing() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      trusted, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}
