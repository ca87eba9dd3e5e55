package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tidewire/tidewire/live/natsbroker/internal/exportfile"
)

const (
	// epochKey is where the metadata of an imported stream have the epoch of the one that was exported: a restored stream is
	// created anew.
	epochKey = "tidewire-epoch"

	// importingKey is in the metadata of a stream whose import has not finished, and says which import that is.
	importingKey = "tidewire-importing"
)

var errImporting = errors.New("an import into it has not finished: delete it, and import again")

const (
	exportChunk   = 128 << 10        // of a snapshot; servers take no more than 1 MiB at once
	exportSilence = 20 * time.Second // of a server, behind which an export or an import fails
)

// epochOf returns a stream's identity: when it was created, in the store that it was first in.
func epochOf(info *jetstream.StreamInfo) string {
	if e := info.Config.Metadata[epochKey]; e != "" {
		return e
	}
	return strconv.FormatInt(info.Created.UnixNano(), 36)
}

// Export writes all that the servers store under Options.Name, which others may go on to use, whether this broker's patterns are
// configured or not. What was acknowledged before the call is in it. Each stream stands as it was at one moment, and each
// has a moment of its own; a room is in one stream. What is not stored is not in it: presence, signals, volatile messages.
//
// w must take what is written within a few seconds; else servers give up. What was written is an export only if the error is nil:
// Import refuses the rest.
func (b *Broker) Export(ctx context.Context, w io.Writer) error {
	if err := b.export(ctx, w); err != nil {
		return fmt.Errorf("natsbroker: export: %w", err)
	}
	return nil
}

func (b *Broker) export(ctx context.Context, w io.Writer) error {
	all, err := b.stored(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("nothing is stored under the name %q", b.set.Name)
	}
	x, err := exportfile.NewWriter(w, exportfile.Head{Name: b.set.Name, Made: time.Now().UTC()})
	if err != nil {
		return err
	}
	for _, name := range all {
		if err := b.exportStream(ctx, x, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return x.End()
}

// stored returns the names of the streams that the servers have under Options.Name.
func (b *Broker) stored(ctx context.Context) ([]string, error) {
	var all []string
	err := repeat(ctx, func(ctx context.Context) error {
		names := b.js.StreamNames(ctx, jetstream.WithStreamListSubject(b.set.Name+".s.>"))
		all = nil
		for name := range names.Name() {
			all = append(all, name)
		}
		return names.Err()
	})
	slices.Sort(all)
	return slices.Compact(all), err
}

// repeat calls f until the servers answer it: a cluster may be about to elect who does.
func repeat(ctx context.Context, f func(ctx context.Context) error) error {
	end := time.Now().Add(exportSilence)
	for wait := askSilence / 8; ; wait = min(2*wait, askSilence) { // who has no leader does not answer at all
		once, done := context.WithTimeout(ctx, wait)
		err := f(once)
		done()
		var api *jetstream.APIError
		if err == nil || ctx.Err() != nil || time.Now().After(end) || errors.As(err, &api) && api.Code < 500 {
			return err
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

// infoOf asks for a stream.
func (b *Broker) infoOf(ctx context.Context, name string) (info *jetstream.StreamInfo, err error) {
	err = repeat(ctx, func(ctx context.Context) error {
		s, err := b.js.Stream(ctx, name)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	return info, err
}

// exportStream writes one stream.
func (b *Broker) exportStream(ctx context.Context, x *exportfile.Writer, name string) error {
	info, err := b.infoOf(ctx, name)
	switch {
	case err != nil:
		return err
	case !own(b.set.Name, info.Config):
		return errors.New("it is no stream of a broker, and has a broker's subjects")
	case info.Config.Metadata[importingKey] != "":
		return errImporting
	}
	// A leader that is new may not have all yet: it has what was stored before this.
	fence := strings.TrimSuffix(info.Config.Subjects[0], ">") + fenceKey
	var last uint64
	if err := repeat(ctx, func(ctx context.Context) error {
		ack, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: fence})
		if err == nil {
			last = ack.Sequence
		}
		return err
	}); err != nil {
		return err
	}
	reconnects := b.nc.Stats().Reconnects
	err = b.snapshot(ctx, name, func(c jetstream.StreamConfig, state jetstream.StreamState) error {
		if state.LastSeq < last {
			return errors.New("who leads it has changed")
		}
		config, err := json.Marshal(c)
		if err != nil {
			return err
		}
		stands, err := json.Marshal(state)
		if err != nil {
			return err
		}
		return x.Stream(exportfile.Stream{Epoch: epochOf(info), Config: config, State: stands})
	}, x.Data)
	if err != nil {
		return err
	}
	now, err := b.infoOf(ctx, name)
	if err == nil && (!now.Created.Equal(info.Created) || b.nc.Stats().Reconnects != reconnects) {
		return errors.New("it was made anew, or the connection was lost, meanwhile: begin again")
	}
	return err
}

// snapshot reads a stream's snapshot: first what it is, then its parts.
func (b *Broker) snapshot(ctx context.Context, name string, begin func(jetstream.StreamConfig, jetstream.StreamState) error, part func([]byte) error) error {
	inbox := b.nc.NewInbox()
	parts, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer parts.Unsubscribe()
	var is struct {
		Config *jetstream.StreamConfig `json:"config"`
		State  *jetstream.StreamState  `json:"state"`
	}
	once, done := context.WithTimeout(ctx, exportSilence)
	defer done()
	if err := b.api(once, "SNAPSHOT", name, map[string]any{"deliver_subject": inbox, "no_consumers": true, "chunk_size": exportChunk}, &is); err != nil {
		return err
	}
	if is.Config == nil || is.State == nil {
		return errors.New("the server does not say what the stream is")
	}
	is.State.Deleted = nil // which the snapshot says too
	if err := begin(*is.Config, *is.State); err != nil {
		return err
	}
	for index := 1; ; {
		m, err := nextOf(ctx, parts)
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			if status := m.Header.Get(headerStatus); status != "" && status != "204" {
				return fmt.Errorf("the snapshot has failed: %s %s", status, m.Header.Get(headerWhy))
			}
			return nil
		}
		if m.Reply != "" { // it ends with the number of the part; the last one has none
			if n := m.Reply[strings.LastIndexByte(m.Reply, '.')+1:]; n != strconv.Itoa(index) {
				return fmt.Errorf("part %d of the snapshot was lost", index)
			}
			index++
		}
		if err := part(m.Data); err != nil {
			return err
		}
		if m.Reply != "" {
			if err := m.Respond(nil); err != nil {
				return err
			}
		}
	}
}

// nextOf waits for a message, if the servers are not silent.
func nextOf(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	once, done := context.WithTimeout(ctx, exportSilence)
	defer done()
	m, err := sub.NextMsgWithContext(once)
	if err != nil && ctx.Err() == nil && once.Err() != nil {
		return nil, errSilent
	}
	return m, err
}

var errSilent = fmt.Errorf("the servers have not answered for %v", exportSilence)

// api asks JetStream's API about a stream, by what nats.go has no call for.
func (b *Broker) api(ctx context.Context, what, name string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM."+what+"."+name, body)
	if errors.Is(err, context.DeadlineExceeded) {
		return errSilent
	}
	if err != nil {
		return err
	}
	return answered(m.Data, answer)
}

// answered reads what the API answers.
func answered(p []byte, answer any) error {
	var failed struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(p, &failed); err != nil {
		return err
	}
	if failed.Error != nil {
		return failed.Error
	}
	return json.Unmarshal(p, answer)
}

// own reports whether a stream is one of the brokers with that name.
func own(name string, c jetstream.StreamConfig) bool {
	if !strings.HasPrefix(c.Name, name+"_") || strings.ContainsAny(c.Name, "./\\ *>") || len(c.Subjects) != 1 || c.Mirror != nil || len(c.Sources) > 0 {
		return false
	}
	prefix, ok := strings.CutSuffix(c.Subjects[0], ".>")
	return ok && strings.HasPrefix(prefix, name+".s.") && !strings.ContainsAny(prefix, "*>")
}
