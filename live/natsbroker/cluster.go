package natsbroker

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// ClusterOptions makes a Server one of several that store together, on which no other software has to run.
type ClusterOptions struct {
	// Name is the cluster's: servers of another one are refused.
	Name string

	// Listen is host:port, where the other servers reach this one. Nobody else is served there.
	Listen string

	// Peers are the same of all servers, with or without this one. There are 3 at least: two that cannot
	// see each other could not tell which of them may go on.
	Peers []string

	// Advertise is where the servers tell each other to reach this one, beside Peers: host:port. "" means Listen. It is for networks
	// in which that is not the address that others see.
	Advertise string

	// TLS has the servers prove to each other who they are: a certificate for both directions, and in ClientCAs and RootCAs
	// who has signed the others'. Where Listen is not on the loopback it must be there, with tls.RequireAndVerifyClientCert.
	TLS *tls.Config
}

// validate says what is wrong.
func (c *ClusterOptions) validate() error {
	if c.Name == "" || strings.ContainsAny(c.Name, " \t\r\n") {
		return fmt.Errorf("natsbroker: ClusterOptions.Name is %q; it must be a word", c.Name)
	}
	addrs := append([]string{c.Listen}, c.Peers...)
	if c.Advertise != "" {
		addrs = append(addrs, c.Advertise)
	}
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 || host == "" {
			return fmt.Errorf("natsbroker: the cluster address %q is not host:port", addr)
		}
	}
	if n := len(c.servers()); n < 3 {
		return fmt.Errorf("natsbroker: a cluster has 3 servers at least, and ClusterOptions names %d: with two, neither could go on without the other", n)
	}
	if c.TLS != nil && c.TLS.ClientAuth != tls.RequireAndVerifyClientCert {
		return errors.New("natsbroker: ClusterOptions.TLS must ask for certificates from both sides (tls.RequireAndVerifyClientCert)")
	}
	host, _, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); c.TLS == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("natsbroker: the cluster listens on %s, which others may reach: it needs ClusterOptions.TLS", c.Listen)
	}
	return nil
}

// servers returns the addresses of all, this one included.
func (c *ClusterOptions) servers() []string {
	all := append([]string{c.Listen}, c.Peers...)
	slices.Sort(all)
	return slices.Compact(all)
}

// apply tells the server of its cluster.
func (c *ClusterOptions) apply(o *server.Options) {
	host, port, _ := net.SplitHostPort(c.Listen)
	o.Cluster.Name, o.Cluster.Host = c.Name, host
	o.Cluster.Port, _ = strconv.Atoi(port)
	o.Cluster.Advertise = c.Advertise
	o.Cluster.NoAdvertise = true // of addresses for clients: there are none
	if c.TLS != nil {
		o.Cluster.TLSConfig = c.TLS.Clone()
		o.Cluster.TLSTimeout = 5
	}
	// This one is among them, so that the servers count how many they are to be, and none begins alone.
	for _, addr := range c.servers() {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: addr})
	}
}

// nodeFile is in a server's folder, and has its kind and its name.
const nodeFile = "node"

// moving says what to do where a store is of another kind.
const moving = `begin with an empty folder, or move the store with "tidewire store export" and "tidewire store import"`

// claim notes in a folder what kind of server it belongs to, and returns this one's name. A server of another kind is refused: NATS
// would delete what is stored.
func claim(dir string, c *ClusterOptions) (name string, err error) {
	kind := "standalone"
	if c != nil {
		kind = "cluster " + c.Name
	}
	path := filepath.Join(dir, nodeFile)
	p, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Join(dir, "jetstream")); err == nil && c != nil {
			return "", errors.New("there is a store already, which is not a cluster's: " + moving)
		}
		name = "tidewire-" + rand.Text()[:16]
		return name, writeFile(path, kind+"\n"+name+"\n")
	case err != nil:
		return "", err
	}
	was, name, _ := strings.Cut(strings.TrimSpace(string(p)), "\n")
	if was != kind || name == "" {
		return "", fmt.Errorf("the store belongs to a server that is %q, and this one is %q: %s", cmp.Or(was, "unknown"), kind, moving)
	}
	return name, nil
}

// writeFile writes a file whole, or not at all.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
