package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	f, err := os.OpenFile(filepath.Join(dir, importingFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // of two at once one goes on
	if err == nil {
		_, err = f.WriteString("An import into this folder has not finished.\n")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	return t, err
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
