package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	ports "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// listener is a guest of the chat, and what it has heard.
type listener struct {
	*client.Client
	t    *testing.T
	room *client.Room

	mu    sync.Mutex
	texts []string
	gaps  []client.Gap
}

type said struct {
	Text string `json:"text"`
}

// listen has a guest join the chat.
func listen(t *testing.T, s *served, name string, o *client.RoomOptions) *listener {
	t.Helper()
	c, err := client.Dial(t.Context(), "ws://"+s.host+"/live", &client.Options{
		Token: func(context.Context, client.Reason) (string, error) { return name, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	l := &listener{Client: c, t: t}
	if l.room, err = c.Room("chat:store", o); err != nil {
		t.Fatal(err)
	}
	client.OnMessage(l.room, "chat", func(_ context.Context, m said, _ client.Meta) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.texts = append(l.texts, m.Text)
	})
	l.room.OnGap(func(_ context.Context, g client.Gap) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.gaps = append(l.gaps, g)
	})
	if err := l.room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *listener) say(text string) {
	l.t.Helper()
	if _, err := l.room.Send(l.t.Context(), "chat", said{text}); err != nil {
		l.t.Fatalf("say %s: %v", text, err)
	}
}

// hears waits until it has heard exactly that, without a gap.
func (l *listener) hears(want ...string) {
	l.t.Helper()
	await(l.t, fmt.Sprint("to hear ", want), func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		if slices.Equal(l.texts, want) && len(l.gaps) == 0 {
			return ""
		}
		return fmt.Sprint("heard ", l.texts, " with gaps ", l.gaps)
	})
}

// await waits until f returns "".
func await(t *testing.T, what string, f func() string) {
	t.Helper()
	eventually(t, what, func() error {
		if why := f(); why != "" {
			return errors.New(why)
		}
		return nil
	})
}

// ready returns what /readyz answers.
func (s *served) ready(t *testing.T) string {
	t.Helper()
	r, err := http.Get("http://" + s.host + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(r.StatusCode, " ", strings.TrimSpace(string(body)))
}

// TestData serves from a folder, twice: what was said is still there, and who was there goes on from where it was.
func TestData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := serve(t, "--data", dir)
	ada := listen(t, s, "Ada", nil)
	ada.say("one")
	ada.say("two")
	ada.hears("one", "two")
	if got := s.ready(t); got != "200 ready" {
		t.Errorf("/readyz: %s", got)
	}
	at := ada.room.Position()
	listen(t, s, "Grace", nil).say("three")
	ada.Close(t.Context())
	s.stop()
	for s.lines.Scan() {
	}
	if err := <-s.done; err != nil {
		t.Fatal(err)
	}
	s = serve(t, "--data", dir, "--sync-every", "1s")
	listen(t, s, "Ada", &client.RoomOptions{Position: at}).hears("three")
	listen(t, s, "Linus", &client.RoomOptions{Last: 10}).hears("one", "two", "three")
}

// natsServer is a NATS server with JetStream, as it runs elsewhere.
func natsServer(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	if !ns.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	return ns
}

// TestNATS has two serve from one NATS server, which goes and comes back.
func TestNATS(t *testing.T) {
	dir := t.TempDir()
	ns := natsServer(t, dir, server.RANDOM_PORT)
	one, two := serve(t, "--nats", ns.ClientURL(), "--log-level", "error"), serve(t, "--nats", ns.ClientURL())
	presence := &client.RoomOptions{Presence: true}
	ada, grace := listen(t, one, "Ada", presence), listen(t, two, "Grace", presence)
	for _, l := range []*listener{ada, grace} {
		await(t, "to see both", func() string {
			if n := l.room.Present().Sessions; n != 2 {
				return fmt.Sprint(n, " are there")
			}
			return ""
		})
	}
	ada.say("one")
	grace.say("two")
	ada.hears("one", "two")
	grace.hears("one", "two")

	port := ns.Addr().String()
	ns.Shutdown()
	ns.WaitForShutdown()
	for _, x := range []struct {
		l *listener
		s *served
	}{{ada, one}, {grace, two}} {
		await(t, "to be degraded", func() string {
			if x.l.State().Degraded && x.s.ready(t) == "503 degraded: messages cannot be stored" {
				return ""
			}
			return x.s.ready(t)
		})
	}
	waits := make(chan error, 1)
	go func() { // it waits, and is stored once
		_, err := ada.room.Send(t.Context(), "chat", said{"three"})
		waits <- err
	}()
	var number int
	fmt.Sscanf(port[strings.LastIndexByte(port, ':'):], ":%d", &number)
	natsServer(t, dir, number)
	await(t, "to be ready", func() string {
		if one.ready(t) == "200 ready" && two.ready(t) == "200 ready" && !ada.State().Degraded {
			return ""
		}
		return one.ready(t) + ", " + two.ready(t)
	})
	if err := <-waits; err != nil {
		t.Errorf("what was said meanwhile: %v", err)
	}
	grace.say("four")
	ada.hears("one", "two", "three", "four")
	grace.hears("one", "two", "three", "four")
}

// TestStoreErrors has each mistake answered by one line that says what is wrong.
func TestStoreErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := func(listen, peers string) []string {
		return []string{"--data", t.TempDir(), "--cluster-name", "c", "--cluster-listen", listen, "--cluster-peers", peers}
	}
	other := t.TempDir()
	if s, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: other}); err != nil {
		t.Fatal(err)
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"--data", file}, "not a directory"},
		{[]string{"--data", file, "--nats", "nats://127.0.0.1:1"}, "two places for the same"},
		{[]string{"--nats", "nats://ada:secret@127.0.0.1:1"}, "natsbroker: 127.0.0.1:1: nats: no servers available for connection"},
		{[]string{"--sync-every", "1s"}, "--sync-every goes with --data"},
		{[]string{"--data", filepath.Dir(file), "--sync-every=-1s"}, "must not be negative"},
		{[]string{"--data", filepath.Dir(file), "--name", "a.b"}, "--name is \"a.b\""},
		{[]string{"--cluster-listen", "127.0.0.1:1"}, "go with --cluster-name"},
		{[]string{"--cluster-name", "c", "--cluster-listen", "127.0.0.1:1"}, "--cluster-name goes with --data"},
		{cluster("127.0.0.1:1", "127.0.0.1:2"), "a cluster has 3 servers at least, and ClusterOptions names 2"},
		{cluster("192.0.2.1:1", "192.0.2.2:1,192.0.2.3:1"), "it needs ClusterOptions.TLS"},
		{cluster("127.0.0.1", "127.0.0.2:1,127.0.0.3:1"), "it must be host:port"},
		{append(cluster("127.0.0.1:1", "127.0.0.2:1,127.0.0.3:1"), "--cluster-key", file), "go together"},
		{append(cluster("127.0.0.1:1", "127.0.0.2:1,127.0.0.3:1"), "--cluster-key", file, "--cluster-cert", file, "--cluster-ca", file), "--cluster-cert: "},
		{[]string{"--data", other, "--cluster-name", "c", "--cluster-listen", "127.0.0.1:1", "--cluster-peers", "127.0.0.2:1,127.0.0.3:1"}, `belongs to a server that is "standalone"`},
	} {
		var out, errs bytes.Buffer
		err := run(t.Context(), append([]string{"serve", "--addr", "127.0.0.1:0"}, tc.args...), stdio{strings.NewReader(""), &out, &errs})
		if err == nil || !strings.Contains(errs.String(), tc.says) || strings.Contains(errs.String(), "secret") || out.Len() > 0 {
			t.Errorf("%v: %v\n%s%s", tc.args, err, out.String(), errs.String())
		}
	}
}

// certificate writes a certificate that has signed itself, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, &pair.PublicKey, pair)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestCluster has three serve together, with mutual TLS, one of which goes and comes back.
func TestCluster(t *testing.T) {
	certs := t.TempDir()
	if out, err := exec.Command("../../deploy/cluster-certs.sh", certs, "127.0.0.1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cert, key, ca := filepath.Join(certs, "127.0.0.1.pem"), filepath.Join(certs, "127.0.0.1-key.pem"), filepath.Join(certs, "ca.pem")
	var peers []string
	for range 3 {
		// None that a system gives to who asks for any: nobody takes it before the server does.
		ln, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+ports.IntN(20_000)))
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		peers = append(peers, ln.Addr().String())
	}
	dir := t.TempDir()
	begin := func(i int) *served {
		return serve(t, "--data", filepath.Join(dir, fmt.Sprint(i)), "--cluster-name", "c", "--cluster-listen", peers[i],
			"--cluster-peers", strings.Join(peers, ","), "--cluster-cert", cert, "--cluster-key", key, "--cluster-ca", ca)
	}
	var all [3]*served
	var starting sync.WaitGroup
	for i := range all {
		starting.Go(func() { all[i] = begin(i) })
	}
	starting.Wait()
	ready := func() {
		t.Helper()
		for _, s := range all {
			await(t, "to be ready", func() string {
				if got := s.ready(t); got != "200 ready" {
					return got
				}
				return ""
			})
		}
	}
	ready()
	var guests []*listener
	for i, s := range all {
		guests = append(guests, listen(t, s, fmt.Sprint("Guest", i), nil))
	}
	guests[0].say("one")
	guests[2].say("two")
	for _, g := range guests {
		g.hears("one", "two")
	}
	// The one that goes hands over what it leads.
	all[2].stop()
	for all[2].lines.Scan() {
	}
	if err := <-all[2].done; err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	guests[0].say("three")
	t.Logf("behind a server that has ended, the next message took %v", time.Since(began).Round(time.Millisecond))
	guests[1].hears("one", "two", "three")
	all[2] = begin(2)
	ready()
	listen(t, all[2], "Guest3", &client.RoomOptions{Last: 10}).hears("one", "two", "three")
	plain, err := tls.Dial("tcp", peers[0], &tls.Config{InsecureSkipVerify: true})
	if err == nil { // in TLS 1.3 the refusal comes behind the handshake
		plain.SetDeadline(time.Now().Add(patience))
		if _, err = plain.Read(make([]byte, 1)); err == nil {
			t.Error("the cluster's address answers who has no certificate")
		}
		plain.Close()
	}
}
