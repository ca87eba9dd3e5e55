package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	ports "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// front is a proxy with its configuration in deploy/.
type front struct {
	name   string
	config string
	from   []string // what in it is another one in a test, and what: pairs; see start
	binary string
	checks []string // and what looks at the server, and would answer for one that does not
	args   func(dir, config string) []string
	// The answers where nobody listens, and where nobody answers.
	broken, slow int
}

var fronts = []*front{
	{
		name: "nginx", config: "nginx.conf", binary: "nginx-light",
		from: []string{"listen 443", "listen ADDR", "/etc/nginx/cert.pem", "CERT", "/etc/nginx/key.pem", "KEY",
			"http {", "http {\n access_log off; client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;",
			"worker_processes auto", "worker_processes 1", "worker_connections 100000", "worker_connections 512", "worker_rlimit_nofile 200000", "worker_rlimit_nofile 1024"},
		args: func(dir, config string) []string {
			return []string{"nginx", "-p", dir, "-c", config, "-e", "stderr", "-g", "daemon off; pid " + dir + "/pid; error_log stderr;"}
		},
		broken: http.StatusBadGateway, slow: http.StatusGatewayTimeout,
	},
	{
		name: "haproxy", config: "haproxy.cfg", binary: "haproxy",
		from:   []string{"bind :443", "bind ADDR", "/etc/haproxy/example.com.pem", "BOTH", "maxconn 100000", "maxconn 500"},
		checks: []string{"127.0.0.1:8080 check inter 1s", "127.0.0.1:8080"},
		args:   func(_, config string) []string { return []string{"haproxy", "-db", "-f", config} },
		broken: http.StatusServiceUnavailable, slow: http.StatusGatewayTimeout,
	},
	{
		name: "caddy", config: "Caddyfile", binary: "caddy",
		from:   []string{"example.com {", "{\n admin off\n auto_https off\n}\nhttps://ADDR {\n tls CERT KEY", "lb_try_duration 5s", "lb_try_duration 100ms"},
		checks: []string{"health_uri /readyz # 503 while it starts and drains", "", "health_interval 1s", ""},
		args: func(_, config string) []string {
			return []string{"caddy", "run", "--adapter", "caddyfile", "--config", config}
		},
		broken: http.StatusBadGateway, slow: http.StatusGatewayTimeout,
	},
}

// start runs the proxy with its configuration of deploy/, where Tidewire and the site are at these addresses and timeouts of 60 s
// are timeout. It returns its address. Who connects to it from 127.0.0.2 is no proxy.
func (f *front) start(t *testing.T, tidewire, site, timeout string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", f.config))
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	dir := t.TempDir()
	both := filepath.Join(dir, "both.pem")
	var pem []byte
	for _, name := range []string{cert, key} {
		p, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, p...)
	}
	if err := os.WriteFile(both, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	own := x509.NewCertPool() // who answers with another certificate is another one, which was faster to bind
	own.AppendCertsFromPEM(pem)
	config := string(text)
	pairs := append([]string{"127.0.0.1:3000", site, "60s", timeout}, f.from...)
	if timeout != "60s" {
		pairs = append(pairs, f.checks...)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(config, pairs[i]) {
			t.Fatalf("%s has no %q", f.config, pairs[i])
		}
		config = strings.ReplaceAll(config, pairs[i], pairs[i+1])
	}
	config = strings.ReplaceAll(config, "127.0.0.1:8080", tidewire)
	for end := time.Now().Add(patience); ; {
		// None that a system gives to who asks for any.
		addr := fmt.Sprint("127.0.0.1:", 10_000+ports.IntN(20_000))
		whole := strings.NewReplacer("ADDR", addr, "CERT", cert, "KEY", key, "BOTH", both, "DIR", dir).Replace(config)
		path := filepath.Join(dir, f.config)
		if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		args := f.args(dir, path)
		cmd := exec.Command(args[0], args[1:]...)
		if cmd.Err != nil { // a user's PATH may be without it
			cmd = exec.Command("/usr/sbin/"+args[0], args[1:]...)
		}
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		var log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatalf("%s: %v: please install %s", f.name, err, f.binary)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		up := func() bool {
			for time.Now().Before(end) {
				select {
				case <-ended:
					return false
				case <-time.After(20 * time.Millisecond):
				}
				if c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: own}); err == nil {
					c.Close()
					return true
				}
			}
			return false
		}
		if up() {
			t.Cleanup(func() {
				cmd.Process.Signal(os.Interrupt)
				select {
				case <-ended:
				case <-time.After(patience):
					cmd.Process.Kill()
					<-ended
				}
				if t.Failed() {
					t.Logf("%s said:\n%.3000s", f.name, log.String())
				}
			})
			return addr
		}
		cmd.Process.Kill()
		<-ended
		if time.Now().After(end) || !strings.Contains(strings.ToLower(log.String()), "in use") {
			t.Fatalf("%s does not start:\n%s", f.name, log.String())
		}
	}
}

// nobody returns an address at which nobody listens, and which nobody else can take until the test ends.
func nobody(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", at.(*syscall.SockaddrInet4).Port)
}

// each runs f for each proxy.
func each(t *testing.T, f func(t *testing.T, by *front)) {
	t.Parallel()
	for _, by := range fronts {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			f(t, by)
		})
	}
}
