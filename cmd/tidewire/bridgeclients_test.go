//go:build soak && linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tool runs a program to its end, with what it reads, and returns what it printed.
func tool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=20", "LC_ALL=C")
	late := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// daemon starts a program as the user, until the test ends.
func daemon(t *testing.T, as *syscall.Credential, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s\n%s", args[0], log)
		}
	})
}

// tunnelled is TCP over WebSocket to the target, and where it listens.
func tunnelled(t *testing.T, target string) (host, port string) {
	t.Helper()
	_, web := bridgeProcess(t, "ws://127.0.0.1:0/", target)
	_, where := bridgeProcess(t, "tcp:127.0.0.1:0", web)
	host, port, err := net.SplitHostPort(strings.TrimPrefix(where, "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// TestBridgePostgres has PostgreSQL's own clients reach it over TCP, WebSocket and a Unix socket.
func TestBridgePostgres(t *testing.T) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Fatal("please install postgresql")
	}
	bin := filepath.Dir(found[len(found)-1])
	dir := shortDir(t)
	var as *syscall.Credential
	if os.Getuid() == 0 { // which initdb refuses
		who, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	initdb := exec.Command(found[len(found)-1], "-D", filepath.Join(dir, "data"), "-U", "tide", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	daemon(t, as, filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	socket := filepath.Join(dir, ".s.PGSQL.5432")
	eventually(t, "PostgreSQL is ready", func() error {
		return exec.Command(filepath.Join(bin, "pg_isready"), "-h", dir).Run()
	})
	host, port := tunnelled(t, "unix:"+socket)
	psql := []string{filepath.Join(bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "tide", "postgres"}

	// A table of some megabytes in and out.
	tool(t, "create table tide (id int primary key, text text);", psql...)
	var rows strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&rows, "%d\tthe tide comes in, the tide goes out, for the %dth time\n", i, i)
	}
	tool(t, "copy tide from stdin;\n"+rows.String()+"\\.\n", psql...)
	if got := tool(t, "copy (select * from tide order by id) to stdout;", psql...); got != rows.String() {
		t.Fatalf("%d bytes came back of %d", len(got), rows.Len())
	}
	if got := tool(t, "listen tide; notify tide, 'high'; select 1;", psql...); !strings.Contains(got, `"high"`) {
		t.Fatalf("%q", got)
	}
	// A query is cancelled by a connection of its own.
	slow := exec.Command(psql[0], append(psql[1:], "-c", "select 'begun', pg_sleep(600)")...)
	var said bytes.Buffer
	slow.Stderr = &said
	if err := slow.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs", func() error {
		if got := tool(t, "select count(*) from pg_stat_activity where query like 'select ''begun''%' and state = 'active';", psql...); strings.TrimSpace(got) != "1" {
			return fmt.Errorf("%s run", got)
		}
		return nil
	})
	slow.Process.Signal(os.Interrupt)
	slow.Wait()
	if !strings.Contains(said.String(), "canceling statement due to user request") {
		t.Fatalf("%s", said.String())
	}
	// pgbench, which counts its failures.
	bench := []string{"-h", host, "-p", port, "-U", "tide"}
	pgbench := filepath.Join(bin, "pgbench")
	tool(t, "", append([]string{pgbench, "-i", "-q"}, append(bench, "postgres")...)...)
	out := tool(t, "", append([]string{pgbench, "-c", "8", "-T", "5", "-n"}, append(bench, "postgres")...)...)
	if !strings.Contains(out, "number of failed transactions: 0") {
		t.Fatal(out)
	}
	t.Log(regexp.MustCompile(`(?m)^(tps|latency average).*$`).FindAllString(out, -1))
	if dump := tool(t, "", append([]string{filepath.Join(bin, "pg_dump")}, append(bench, "-t", "tide", "postgres")...)...); !strings.Contains(dump, "for the 99999th time") {
		t.Fatal("the dump is not whole")
	}
}

// TestBridgeRedis has Redis's own clients reach it over TCP, WebSocket and a Unix socket.
func TestBridgeRedis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("please install redis")
	}
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	daemon(t, nil, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	eventually(t, "Redis is ready", func() error { return exec.Command("redis-cli", "-s", socket, "ping").Run() })
	host, port := tunnelled(t, "unix:"+socket)
	cli := []string{"redis-cli", "-h", host, "-p", port}

	if got := tool(t, "", append(cli, "set", "tide", "high")...); got != "OK\n" {
		t.Fatal(got)
	}
	big := strings.Repeat("the tide comes in, the tide goes out; ", 1<<20)
	tool(t, big, append(cli, "-x", "set", "big")...)
	if got := tool(t, "", append(cli, "get", "big")...); got != big+"\n" {
		t.Fatalf("%d bytes came back of %d", len(got), len(big))
	}
	// The protocol in a stream whose end is told by half-close.
	var mass strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&mass, "*3\r\n$3\r\nSET\r\n$%d\r\nkey%d\r\n$1\r\nx\r\n", len(fmt.Sprint(i))+3, i)
	}
	if got := tool(t, mass.String(), append(cli, "--pipe")...); !strings.Contains(got, "errors: 0, replies: 100000") {
		t.Fatal(got)
	}
	// A subscriber, and who publishes to it.
	hears := exec.Command(cli[0], append(cli[1:], "subscribe", "news")...)
	out, err := hears.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hears.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		hears.Process.Kill()
		hears.Wait()
	}()
	eventually(t, "it has subscribed", func() error {
		if got := tool(t, "", append(cli, "publish", "news", "high tide")...); got != "1\n" {
			return fmt.Errorf("%s heard it", got)
		}
		return nil
	})
	p, said := make([]byte, 1000), ""
	for !strings.Contains(said, "high tide") {
		n, err := out.Read(p)
		if err != nil {
			t.Fatal(said, err)
		}
		said += string(p[:n])
	}
	t.Log(tool(t, "", "redis-benchmark", "-h", host, "-p", port, "-q", "-n", "20000", "-c", "20", "-t", "set,get,lpush,mset"))
}
