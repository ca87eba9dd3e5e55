package natsbroker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/live/natsbroker/internal/exportfile"
)

// importWindow is how many parts of a snapshot are under way at once.
const importWindow = 16

// importTries is how often the import of a stream is begun: in a cluster, who leads it may change, and the servers give up then.
const importTries = 3

// Import stores what Export has written, with its positions: clients go on where they were. It is for before Configure, and for
// servers that store nothing under Options.Name. r is read twice, from its beginning: nothing is stored before it was
// read to its end and found whole. If Import fails it deletes what it has stored; a broker refuses what could not be deleted.
//
// Options.Replicas counts, whatever it was where the streams come from. A message that has come of age since the export
// (RoomOptions.HistoryAge) is not given out.
func (b *Broker) Import(ctx context.Context, r io.ReadSeeker) error {
	c, err := exportfile.Read(r)
	if err == nil {
		err = b.restoreAll(ctx, r, c)
	}
	if err != nil {
		return fmt.Errorf("natsbroker: import: %w", err)
	}
	return nil
}

// restoreAll stores what is in an export.
func (b *Broker) restoreAll(ctx context.Context, r io.ReadSeeker, c *exportfile.Contents) (err error) {
	b.importing.Lock()
	defer b.importing.Unlock()
	if c.Name != b.set.Name {
		return fmt.Errorf("the export is of the name %q, and this is %q", c.Name, b.set.Name)
	}
	there, err := b.stored(ctx)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("there are streams of %q already, such as %s", c.Name, there[0])
	}
	configs := make([]jetstream.StreamConfig, len(c.Streams))
	for i := range c.Streams {
		if configs[i], err = streamConfig(c.Name, &c.Streams[i]); err != nil {
			return err
		}
	}
	mark := rand.Text()
	var done []string // which are this import's, whatever their mark
	defer func() {
		if err != nil {
			err = errors.Join(err, b.drop(ctx, "", done...))
		}
	}()
	for i := range c.Streams {
		s, name := &c.Streams[i], configs[i].Name
		for try := 1; ; try++ {
			if err = b.restoreStream(ctx, r, s, b.restored(configs[i], s.Epoch, mark)); err == nil {
				done = append(done, name)
				break
			}
			again := b.drop(ctx, mark, name)
			if try == importTries || ctx.Err() != nil || b.nc.ConnectedClusterName() == "" || wrong(err) || again != nil {
				return errors.Join(fmt.Errorf("%s: %w", name, err), again)
			}
			b.set.Logger.Warn("natsbroker: the import of a stream is begun again", "stream", name, "error", err)
			sleep(ctx, deletion)
		}
	}
	for i := range c.Streams { // all are there
		config := b.restored(configs[i], c.Streams[i].Epoch, "")
		if err = repeat(ctx, func(ctx context.Context) error {
			_, err := b.js.UpdateStream(ctx, config)
			return err
		}); err != nil {
			return fmt.Errorf("%s: %w", config.Name, err)
		}
	}
	return nil
}

// drop deletes streams, with a mark only those that have it: another import may have been faster, or a broker that serves.
func (b *Broker) drop(ctx context.Context, mark string, names ...string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), exportSilence)
	defer done()
	for _, name := range names {
		var err error
		if mark != "" {
			var info *jetstream.StreamInfo
			if info, err = b.infoOf(ctx, name); err == nil && info.Config.Metadata[importingKey] != mark {
				continue
			}
		}
		if err == nil {
			err = repeat(ctx, func(ctx context.Context) error { return b.js.DeleteStream(ctx, name) })
		}
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("%s cannot be deleted: %w", name, err)
		}
	}
	return nil
}

// streamConfig reads how a stream of an export was.
func streamConfig(name string, s *exportfile.Found) (c jetstream.StreamConfig, err error) {
	if err = json.Unmarshal(s.Config, &c); err == nil && !own(name, c) {
		err = fmt.Errorf("the export has a stream %q, which is none of %q", c.Name, name)
	}
	return c, err
}

// restored is how an imported stream is to be; with a mark, while the import goes on. Of how it was only the limits count.
func (b *Broker) restored(was jetstream.StreamConfig, epoch, mark string) jetstream.StreamConfig {
	c := b.config(was.Name, strings.TrimSuffix(was.Subjects[0], ">"), was.MaxMsgsPerSubject, b.replicas())
	c.Description, c.MaxBytes, c.MaxAge, c.Duplicates, c.Compression = was.Description, was.MaxBytes, was.MaxAge, was.Duplicates, was.Compression
	if c.Metadata = maps.Clone(was.Metadata); c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	maps.DeleteFunc(c.Metadata, func(k, _ string) bool { return strings.HasPrefix(k, "_nats.") }) // the server's own
	delete(c.Metadata, importingKey)
	c.Metadata[epochKey] = epoch
	if mark != "" {
		c.Metadata[importingKey] = mark
	}
	return c
}

// restoreStream stores one stream, and waits until a majority of its replicas has it.
func (b *Broker) restoreStream(ctx context.Context, r io.ReadSeeker, s *exportfile.Found, config jetstream.StreamConfig) error {
	var state jetstream.StreamState
	if err := json.Unmarshal(s.State, &state); err != nil {
		return err
	}
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	once, done := context.WithTimeout(ctx, exportSilence)
	defer done()
	if err := b.api(once, "RESTORE", config.Name, map[string]any{"config": config, "state": s.State}, &to); err != nil {
		return err
	}
	inbox := b.nc.NewInbox()
	acks, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer acks.Unsubscribe()
	under := 0
	ack := func() error {
		m, err := nextOf(ctx, acks)
		if err == nil || errors.Is(err, nats.ErrNoResponders) {
			under--
		}
		if err == nil && len(m.Data) > 0 { // it has failed
			err = answered(m.Data, &struct{}{})
		}
		return err
	}
	first := true
	err = s.Data(r, func(part []byte) error {
		for end := time.Now().Add(askSilence); ; {
			if err := b.nc.PublishRequest(to.Subject, inbox, part); err != nil {
				return err
			}
			under++
			if !first && under < importWindow {
				return nil
			}
			err := ack()
			if !first || !errors.Is(err, nats.ErrNoResponders) || time.Now().After(end) {
				first = false
				return err
			}
			sleep(ctx, 20*time.Millisecond) // this server does not know yet who takes it
		}
	})
	for err == nil && under > 0 {
		err = ack()
	}
	if err != nil {
		return err
	}
	if err := b.nc.PublishRequest(to.Subject, inbox, nil); err != nil {
		return err
	}
	m, err := nextOf(ctx, acks)
	if err != nil {
		return err
	}
	var made jetstream.StreamInfo
	if err := answered(m.Data, &made); err != nil {
		return err
	}
	return b.settled(ctx, config.Name, state.LastSeq)
}

// settled waits until a majority of a restored stream's replicas has it.
func (b *Broker) settled(ctx context.Context, name string, last uint64) error {
	for end := time.Now().Add(exportSilence); ; sleep(ctx, 20*time.Millisecond) {
		info, err := b.infoOf(ctx, name)
		if err != nil {
			return err
		}
		if info.State.LastSeq != last {
			return fmt.Errorf("it ends with message %d, and was to end with %d", info.State.LastSeq, last)
		}
		have := 1
		if c := info.Cluster; c != nil {
			for _, r := range c.Replicas {
				if r.Current && !r.Offline && r.Lag == 0 {
					have++
				}
			}
			if c.Leader == "" {
				have = 0
			}
		}
		if have > info.Config.Replicas/2 {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return errors.Join(errors.New("its replicas do not follow"), ctx.Err())
		}
	}
}
