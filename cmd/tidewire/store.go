package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// storeFlags say where rooms are kept.
type storeFlags struct {
	Data      string        `help:"Keep what is published in this folder, so that it survives a restart and a crash. Without it, and without --nats, it is kept in memory." placeholder:"DIR"`
	DataWait  time.Duration `help:"How long to wait for --data while another process uses it, such as the one before, which drains." default:"30s"`
	SyncEvery time.Duration `help:"With --data: write through to the disk that often. 0s means before each message is acknowledged; with more, a loss of power may take what was acknowledged within that time." default:"0s"`
	NATS      string        `name:"nats" help:"Keep what is published on these NATS servers with JetStream, and share it with all who serve from them: nats://host:port, several separated by commas." placeholder:"URL" secret:"urls"`
	Name      string        `help:"With --data or --nats: begins the names of the streams, so that several deployments can share servers." default:"tidewire"`

	ClusterName      string   `help:"With --data: store together with other servers, under this name. Needs --cluster-listen and --cluster-peers." placeholder:"NAME"`
	ClusterListen    string   `help:"host:port where the other servers of the cluster reach this one." placeholder:"ADDR"`
	ClusterPeers     []string `help:"host:port of all servers of the cluster, three at least, separated by commas." placeholder:"ADDR"`
	ClusterAdvertise string   `help:"host:port that the servers tell each other for this one, where it is not --cluster-listen." placeholder:"ADDR"`
	ClusterCert      string   `help:"Certificate in PEM with which this server proves itself to the others, and they to it: needed unless --cluster-listen is a loopback address." placeholder:"FILE"`
	ClusterKey       string   `help:"Its key, in PEM." placeholder:"FILE"`
	ClusterCA        string   `name:"cluster-ca" help:"Who has signed the others' certificates, in PEM." placeholder:"FILE"`
}

func (s *storeFlags) validate() error {
	if s.Data != "" && s.NATS != "" {
		return errors.New("--data and --nats are two places for the same: choose one")
	}
	if s.SyncEvery < 0 {
		return fmt.Errorf("--sync-every is %v; it must not be negative", s.SyncEvery)
	}
	if s.DataWait < 0 {
		return fmt.Errorf("--data-wait is %v; it must not be negative", s.DataWait)
	}
	if s.SyncEvery > 0 && s.Data == "" {
		return errors.New("--sync-every goes with --data: elsewhere it is the NATS servers that write to disks")
	}
	if word := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`); !word.MatchString(s.Name) {
		return fmt.Errorf("--name is %q; it must be 64 letters, digits, - and _ at most", s.Name)
	}
	if s.ClusterName == "" && (s.ClusterListen != "" || len(s.ClusterPeers) > 0 || s.ClusterAdvertise != "" || s.ClusterCert != "" || s.ClusterKey != "" || s.ClusterCA != "") {
		return errors.New("the other --cluster flags go with --cluster-name")
	}
	if s.ClusterName != "" && s.Data == "" {
		return errors.New("--cluster-name goes with --data: each server of a cluster has a folder of its own")
	}
	if s.ClusterName != "" {
		if strings.ContainsAny(s.ClusterName, " \t\r\n") {
			return fmt.Errorf("--cluster-name is %q; it must be a word", s.ClusterName)
		}
		if !isPeer(s.ClusterListen) {
			return fmt.Errorf("--cluster-listen is %q; it must be host:port", s.ClusterListen)
		}
		for _, peer := range s.ClusterPeers {
			if !isPeer(peer) {
				return fmt.Errorf("--cluster-peers has %q; each must be host:port", peer)
			}
		}
		if s.ClusterAdvertise != "" && !isPeer(s.ClusterAdvertise) {
			return fmt.Errorf("--cluster-advertise is %q; it must be host:port", s.ClusterAdvertise)
		}
	}
	if tls := s.ClusterCert != ""; tls != (s.ClusterKey != "") || tls != (s.ClusterCA != "") {
		return errors.New("--cluster-cert, --cluster-key and --cluster-ca go together")
	}
	return nil
}

// isPeer reports whether others can reach addr.
func isPeer(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && host != "" && n > 0
}

// cluster returns what the flags say of a cluster, or nil.
func (s *storeFlags) cluster() (*natsbroker.ClusterOptions, error) {
	if s.ClusterName == "" {
		return nil, nil
	}
	c := &natsbroker.ClusterOptions{Name: s.ClusterName, Listen: s.ClusterListen, Peers: s.ClusterPeers, Advertise: s.ClusterAdvertise}
	if s.ClusterCert == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(s.ClusterCert, s.ClusterKey)
	if err != nil {
		return nil, fmt.Errorf("--cluster-cert: %w", err)
	}
	trusted, err := certificates(s.ClusterCA)
	if err != nil {
		return nil, fmt.Errorf("--cluster-ca: %w", err)
	}
	c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: trusted, ClientCAs: trusted, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	return c, nil
}

// store is where rooms are kept. In memory there is neither a server nor a broker.
type store struct {
	server *natsbroker.Server
	nats   *natsbroker.Broker
}

// open opens it.
func (s *storeFlags) open(ctx context.Context, log *slog.Logger) (st *store, err error) {
	st = &store{}
	o := &natsbroker.Options{Name: s.Name, Logger: log}
	switch {
	case s.Data != "":
		set := natsbroker.ServerOptions{Dir: s.Data, SyncEvery: s.SyncEvery, Logger: log}
		if set.Cluster, err = s.cluster(); err != nil {
			return nil, err
		}
		if st.server, err = s.startServer(ctx, set, log); err == nil {
			if st.nats, err = st.server.Connect(o); err != nil {
				st.server.Close()
			}
		}
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			err = fmt.Errorf("%w (--data must be a folder that this user may write)", err)
		}
	case s.NATS != "":
		if st.nats, err = natsbroker.Connect(s.NATS, o); err != nil {
			err = fmt.Errorf("%w (check --nats, and whether these servers are up)", err)
		}
	}
	return st, err
}

// broker returns what a hub wants; nil for memory.
func (s *store) broker() live.Broker {
	if s.nats == nil {
		return nil
	}
	return s.nats
}

// available says whether messages can be stored.
func (s *store) available() bool { return s.nats == nil || s.nats.Available() }

func (s *store) close() error {
	var errs []error
	if s.nats != nil {
		errs = append(errs, s.nats.Close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	return errors.Join(errs...)
}
