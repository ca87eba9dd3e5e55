package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidewire/tidewire/live/natsbroker"
)

// folderPoll is how often a folder is tried that another process uses.
const folderPoll = 50 * time.Millisecond

// startServer starts the server on the folder. While another process uses it, such as the one before that drains, it waits as
// --data-wait says.
func (s *storeFlags) startServer(ctx context.Context, set natsbroker.ServerOptions, log *slog.Logger) (*natsbroker.Server, error) {
	began := time.Now()
	ticker := time.NewTicker(folderPoll)
	defer ticker.Stop()
	for first := true; ; first = false {
		server, err := natsbroker.StartServer(set)
		if !errors.Is(err, natsbroker.ErrInUse) {
			if err == nil && !first {
				log.Info("the folder is free", "data", s.Data, "behind", time.Since(began).Round(time.Millisecond).String())
			}
			return server, err
		}
		if time.Since(began) >= s.DataWait {
			return nil, fmt.Errorf("%w (--data is for one process at a time; waited %v for it to end: --data-wait)", err, s.DataWait)
		}
		if first {
			log.Warn("another process uses the folder: waiting for it to end", "data", s.Data, "within", s.DataWait.String())
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: it waited for --data: %w", errStopped, err)
		}
	}
}
