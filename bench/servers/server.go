// Package servers holds the servers that the bench compares: Tidewire's, those of other libraries, each used as its
// documentation recommends, and floors that do less than any library may.
package servers

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
)

// Job is what a server is to do.
type Job struct {
	// Fanout sends each message to all connections instead of back to its sender.
	Fanout bool
	// Live has rooms: see live.go.
	Live bool
	// Cert and Key are PEM files for TLS; empty means plain TCP.
	Cert, Key string
	// Deflate negotiates permessage-deflate, and Takeover keeps the context from one message to the next.
	Deflate, Takeover bool
}

// Server is one of those that are compared.
type Server struct {
	Name  string // on the command line
	Title string // in tables
	Note  string // how it is used
	// Module is the Go module or npm package whose version is told.
	Module string
	Floor  bool // no library: the least that could be done
	Ours   bool

	Echo, Fanout, Live, TLS, Deflate, Takeover bool // what it can do

	// Serve does the job until the process ends.
	Serve func(ln net.Listener, job Job) error
	// Script is a program for Runtime that does the job, in place of Serve.
	Script, Runtime string
}

// Can tells whether the server can do a job.
func (s Server) Can(job Job) bool {
	can := s.Echo
	switch {
	case job.Live:
		can = s.Live
	case job.Fanout:
		can = s.Fanout
	}
	return can &&
		(job.Cert == "" || s.TLS) && (!job.Deflate || s.Deflate) && (!job.Takeover || s.Takeover)
}

// All are the servers, in the order of the tables.
func All() []Server {
	return slices.Concat(tidewire, liveServers, []Server{gorillaServer, gorillaHubServer, coderServer, gobwasServer, gobwasBatchServer, gwsServer, nbioServer,
		melodyServer, xnetServer, npmServer, bunServer}, floors)
}

// Find returns a server by its name.
func Find(name string) (Server, bool) {
	all := All()
	i := slices.IndexFunc(all, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, false
	}
	return all[i], true
}

// maxMessage is the limit for those that have one.
const maxMessage = 4 << 20

// serveHTTP is net/http with a handler, for the libraries that stand behind it.
func serveHTTP(ln net.Listener, job Job, handler http.HandlerFunc) error {
	srv := &http.Server{Handler: handler, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	if job.Cert != "" {
		return srv.ServeTLS(ln, job.Cert, job.Key)
	}
	return srv.Serve(ln)
}

// secured is the listener, or TLS over it, for those that accept by themselves.
func secured(ln net.Listener, job Job) (net.Listener, error) {
	if job.Cert == "" {
		return ln, nil
	}
	pair, err := tls.LoadX509KeyPair(job.Cert, job.Key)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}}), nil
}
