package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

const composeFolder = "../../deploy/compose/"

type composeService struct {
	Command     []string
	Environment map[string]string
	StopGrace   string `yaml:"stop_grace_period"`
	Volumes     []string
	Secrets     []any
}

// The servers of deploy/compose are ones that the binary takes, each with its own certificate and volume, and HAProxy knows
// all of them.
func TestCompose(t *testing.T) {
	read := func(name string) []byte {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var file struct {
		Services map[string]composeService
		Volumes  map[string]any
		Secrets  map[string]struct{ File string }
	}
	if err := yaml.Unmarshal(read(composeFolder+"compose.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	haproxy := string(read(composeFolder + "haproxy.cfg"))
	var servers []string
	for name, s := range file.Services {
		if len(s.Command) == 0 {
			continue
		}
		servers = append(servers, name)
		// The binary, with nothing else in its environment, says what it would do.
		cmd := command(append(s.Command, "--print-config")...)
		for key, value := range s.Environment {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, &errs)
		}
		var config map[string]any
		if err := yaml.Unmarshal(out, &config); err != nil {
			t.Fatal(err)
		}
		for flag, want := range map[string]any{"cluster-listen": name + ":6222", "addr": ":8080", "data": "/var/lib/tidewire", "cluster-cert": "/run/secrets/cert.pem", "cluster-key": "/run/secrets/key.pem", "cluster-ca": "/run/secrets/ca.pem"} {
			if config[flag] != want {
				t.Errorf("%s: %s is %v, want %v", name, flag, config[flag], want)
			}
		}
		peers, _ := config["cluster-peers"].([]any)
		if !slices.Contains(peers, any(name+":6222")) || len(peers) != 3 {
			t.Errorf("%s: peers %v", name, peers)
		}
		grace, err := time.ParseDuration(s.StopGrace)
		drain, bad := time.ParseDuration(s.Environment["TIDEWIRE_DRAIN"])
		if err != nil || bad != nil || grace < drain+20*time.Second {
			t.Errorf("%s: killed behind %v, and drains for %v", name, grace, drain)
		}
		if _, ok := file.Volumes[name]; !ok || !slices.Equal(s.Volumes, []string{name + ":/var/lib/tidewire"}) {
			t.Errorf("%s: volumes %v", name, s.Volumes)
		}
		for source, path := range map[string]string{"ca.pem": "ca.pem", name + ".pem": name + ".pem", name + "-key.pem": name + "-key.pem"} {
			if file.Secrets[source].File != "./certs/"+path {
				t.Errorf("%s: the secret %s is %q", name, source, file.Secrets[source].File)
			}
		}
		if len(s.Secrets) != 3 {
			t.Errorf("%s: secrets %v", name, s.Secrets)
		}
		if !strings.Contains(haproxy, "server "+name+" "+name+":8080\n") {
			t.Errorf("HAProxy does not know %s", name)
		}
	}
	if slices.Sort(servers); !slices.Equal(servers, []string{"one", "three", "two"}) {
		t.Errorf("servers %v of %v", servers, slices.Sorted(maps.Keys(file.Services)))
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		program = "/usr/sbin/haproxy"
	}
	if out, err := exec.Command(program, "-c", "-f", composeFolder+"haproxy.cfg").CombinedOutput(); err != nil {
		t.Errorf("haproxy: %v\n%s", err, out)
	}
}

// The image is built by the Go of go.mod, and starts what serve understands, without privileges.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	find := func(in []byte, pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindSubmatch(in)
		if m == nil {
			t.Fatalf("found no %s", pattern)
		}
		return string(m[1])
	}
	if a, b := find(text, `FROM golang:(\d+\.\d+)-`), find(mod, `(?m)^go (\d+\.\d+)`); a != b {
		t.Errorf("the image is built by Go %s, and go.mod says %s", a, b)
	}
	if user := find(text, `(?m)^USER (\d+)`); user == "0" {
		t.Error("it runs as root")
	}
	var args []string
	if err := yaml.Unmarshal([]byte(find(text, `(?m)^CMD (.*)$`)), &args); err != nil || len(args) == 0 || args[0] != "serve" {
		t.Fatalf("%q, %v", args, err)
	}
	cli, _ := parse(t, args[1:]...)
	if volume := find(text, `(?m)^VOLUME (.*)$`); cli.Serve.Data != volume || cli.Serve.Addr != ":"+find(text, `(?m)^EXPOSE (.*)$`) {
		t.Errorf("it stores in %s, and serves on %s", cli.Serve.Data, cli.Serve.Addr)
	}
}
