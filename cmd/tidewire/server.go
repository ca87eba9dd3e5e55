package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// serverFlags say how a command that dials talks to a server.
type serverFlags struct {
	clientFlags
	YesIOwnThisServer bool `help:"Allow a target that is not a loopback address of this machine."`
}

// clientFlags are what a client of a server, WebSocket or other, sends it and trusts.
type clientFlags struct {
	Header             []string `short:"H" sep:"none" help:"Header for the handshakes with a server, such as 'Authorization: Bearer x'. May be repeated." placeholder:"LINE"`
	CAFile             string   `name:"ca-file" help:"Certificates to trust, in PEM, instead of the system's." placeholder:"FILE"`
	InsecureSkipVerify bool     `help:"Do not verify the server's certificate."`
	ClientCert         string   `help:"Certificate in PEM to show to a server that asks for one." placeholder:"FILE"`
	ClientKey          string   `help:"Its key in PEM." placeholder:"FILE"`
}

func (s *clientFlags) validate() error {
	if (s.ClientCert == "") != (s.ClientKey == "") {
		return errors.New("--client-cert and --client-key go together")
	}
	for _, line := range s.Header {
		if name, _, ok := strings.Cut(line, ":"); !ok || name == "" || strings.ContainsAny(line, "\r\n") || strings.ContainsAny(name, " \t") {
			return fmt.Errorf("--header %q is not of the form Name: value", line)
		}
	}
	return nil
}

func (s *clientFlags) header() http.Header {
	h := http.Header{}
	for _, line := range s.Header {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimSpace(value))
	}
	return h
}

func (s *clientFlags) tls() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: s.InsecureSkipVerify}
	if s.CAFile != "" {
		trusted, err := certificates(s.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = trusted
	}
	if s.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(s.ClientCert, s.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("--client-cert %s with --client-key %s: %w", s.ClientCert, s.ClientKey, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// certificates reads those of a file in PEM.
func certificates(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}
