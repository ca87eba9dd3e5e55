package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// openSSL runs openssl in a folder, with what it reads, until it ends.
func openSSL(t *testing.T, dir string, stdin []byte, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", args...)
	var said bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, bytes.NewReader(stdin), &said
	stdout, err = cmd.Output()
	if ctx.Err() != nil {
		t.Fatalf("openssl %s does not end: %s", strings.Join(args, " "), said.String())
	}
	return stdout, said.String(), err
}

// authority makes a folder with ca.pem, and what it has signed: server.pem for 127.0.0.1, and client.pem. stranger.pem is signed
// by nobody. The keys are in files that end with .key.
func authority(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, line := range []string{
		"ca", "stranger",
		"server -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:false -addext subjectAltName=IP:127.0.0.1",
		"client -CA ca.pem -CAkey ca.key -addext basicConstraints=CA:false",
	} {
		name, more, _ := strings.Cut(line, " ")
		args := strings.Fields("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout " + name + ".key -out " + name + ".pem -subj /CN=" + name + " " + more)
		if _, said, err := openSSL(t, dir, nil, args...); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	return dir
}

// TestBridgeOpenSSLDoor has OpenSSL's client come in by TLS: with a certificate, without one, and with a stranger's.
func TestBridgeOpenSSLDoor(t *testing.T) {
	dir := authority(t)
	random, _ := noisy(7, 1<<20)
	asked, err := io.ReadAll(random)
	if err != nil {
		t.Fatal(err)
	}
	var came atomic.Int64
	service := answering(t, &came, len(asked))
	b := bridging(t, "tls:127.0.0.1:0", "tcp:"+service, "--tls-cert", dir+"/server.pem", "--tls-key", dir+"/server.key", "--tls-client-ca", dir+"/ca.pem")
	where := strings.TrimPrefix(b.listens[0], "tls:")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		connect := []string{"s_client", version, "-quiet", "-connect", where, "-CAfile", "ca.pem", "-verify_return_error"}
		t.Run(version, func(t *testing.T) {
			came.Store(0)
			got, said, err := openSSL(t, dir, asked, append(connect, "-cert", "client.pem", "-key", "client.key")...)
			if err != nil || !bytes.Equal(got, asked) || came.Load() != 1 {
				t.Fatalf("%d bytes came back of %d: %v: %s", len(got), len(asked), err, said)
			}
		})
		for name, more := range map[string][]string{"no certificate": nil, "a stranger's": {"-cert", "stranger.pem", "-key", "stranger.key"}} {
			t.Run(version+", "+name, func(t *testing.T) {
				came.Store(0)
				got, said, err := openSSL(t, dir, nil, append(connect, more...)...)
				if err == nil || len(got) > 0 || !regexp.MustCompile(`alert (certificate required|bad certificate|unknown ca|handshake failure)`).MatchString(said) {
					t.Fatalf("%q, %v: %s", got, err, said)
				}
				if came.Load() > 0 {
					t.Fatal("it has come to the target")
				}
			})
		}
	}
}

// answering is a service that says what it is told when it has all of so many bytes, and ends. It counts who comes.
func answering(t *testing.T, came *atomic.Int64, n int) string {
	return attending(t, func(nc net.Conn) error {
		came.Add(1)
		nc.SetDeadline(time.Now().Add(patience))
		p := make([]byte, n)
		if _, err := io.ReadFull(nc, p); err != nil {
			return err
		}
		_, err := nc.Write(p)
		return err
	})
}

// openSSLServer runs OpenSSL's server, which takes only who has a certificate, and returns where.
func openSSLServer(t *testing.T, dir string, more ...string) (where string) {
	t.Helper()
	cmd := exec.Command("openssl", append(strings.Fields("s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -CAfile ca.pem -Verify 1 -verify_return_error"), more...)...)
	cmd.Dir = dir
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(r)
	done := make(chan struct{})
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
		cmd.Wait()
	})
	defer func() {
		go func() {
			defer close(done)
			io.Copy(io.Discard, r)
		}()
	}()
	for lines.Scan() {
		if where, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			return where
		}
	}
	t.Fatal("OpenSSL's server does not listen")
	return ""
}

// TestBridgeOpenSSLTarget has the target be OpenSSL's server, to which the bridge shows a certificate, or none, or that asks for
// more trust than it gets.
func TestBridgeOpenSSLTarget(t *testing.T) {
	dir := authority(t)
	random, _ := noisy(8, 3<<20)
	file, err := io.ReadAll(random)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	shown := []string{"--client-cert", dir + "/client.pem", "--client-key", dir + "/client.key"}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		where := openSSLServer(t, dir, version, "-WWW")
		for _, tc := range []struct {
			name string
			args []string
			good bool
		}{
			{"with a certificate", append(shown, "--ca-file", dir+"/ca.pem"), true},
			{"without one", []string{"--ca-file", dir + "/ca.pem"}, false},
			{"with a stranger's", []string{"--ca-file", dir + "/ca.pem", "--client-cert", dir + "/stranger.pem", "--client-key", dir + "/stranger.key"}, false},
			{"not to be trusted", append(shown, "--ca-file", dir+"/stranger.pem"), false},
		} {
			t.Run(version+", "+tc.name, func(t *testing.T) {
				b := bridging(t, append([]string{"tcp:127.0.0.1:0", "tls:" + where}, tc.args...)...)
				var got []byte
				conn, err := net.Dial("tcp", strings.TrimPrefix(b.listens[0], "tcp:"))
				if err == nil { // otherwise the reset was quicker than we
					defer conn.Close()
					conn.SetDeadline(time.Now().Add(patience))
					io.WriteString(conn, "GET /file HTTP/1.0\r\n\r\n")
					got, err = io.ReadAll(conn)
				}
				if !tc.good {
					if !errors.Is(err, syscall.ECONNRESET) || len(got) > 0 {
						t.Fatalf("%d bytes came, %v", len(got), err)
					}
					return
				}
				if _, body, _ := bytes.Cut(got, []byte("\r\n\r\n")); err != nil || !bytes.Equal(body, file) {
					t.Fatalf("%d bytes came of %d, %v", len(body), len(file), err)
				}
			})
		}
	}
}

// TestBridgeOpenSSLBoth has OpenSSL's client talk to OpenSSL's server, which answers each line with its reverse.
func TestBridgeOpenSSLBoth(t *testing.T) {
	dir := authority(t)
	b := bridging(t, "tls:127.0.0.1:0", "tls:"+openSSLServer(t, dir, "-rev"), "--tls-cert", dir+"/server.pem", "--tls-key", dir+"/server.key",
		"--tls-client-ca", dir+"/ca.pem", "--ca-file", dir+"/ca.pem", "--client-cert", dir+"/client.pem", "--client-key", dir+"/client.key")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := exec.CommandContext(ctx, "openssl", strings.Fields("s_client -quiet -no_ign_eof -CAfile ca.pem -verify_return_error -cert client.pem -key client.key -connect "+
		strings.TrimPrefix(b.listens[0], "tls:"))...)
	client.Dir = dir
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	for said, want := range map[string]string{"stressed": "desserts", "the tide": "edit eht"} {
		io.WriteString(in, said+"\n")
		if !answers.Scan() || answers.Text() != want {
			t.Errorf("%q, want %q", answers.Text(), want)
		}
	}
	in.Close()
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
}
