package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/service/token"
)

// TestToken makes keys and tokens of each kind, and has the package for servers check them.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	for _, alg := range []string{"HS256", "RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		file := filepath.Join(dir, alg)
		public, errs, err := tidewire(t, nil, "token", "generate-key", "--alg", alg, "--out", file)
		if err != nil || errs != "" {
			t.Fatalf("%s: %v\n%s", alg, err, errs)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", alg, info.Mode(), err)
		}
		key, flag := token.Key{ID: "k1", PEM: []byte(public)}, "--key"
		if alg == "HS256" {
			secret, err := os.ReadFile(file)
			if err != nil || public != "" {
				t.Fatal(err, public)
			}
			key, flag = token.Key{ID: "k1", Secret: []byte(strings.TrimSpace(string(secret)))}, "--hmac-secret-file"
		}
		v, err := token.New(token.Options{Keys: []token.Key{key}, Issuer: "us", Audience: "hub", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		make := func(args ...string) string {
			t.Helper()
			out, errs, err := tidewire(t, nil, append([]string{"token", flag, file, "--kid", "k1", "--issuer", "us", "--audience", "hub"}, args...)...)
			if err != nil || errs != "" || !regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]+\n$`).MatchString(out) {
				t.Fatalf("%v: %v\n%s%s", args, err, out, errs)
			}
			return strings.TrimSpace(out)
		}
		c, err := v.Verify(t.Context(), make("--sub", "ann", "--expires", "5m", "--room", "chat:*=join,publish", "--room", "news:>=watch",
			"--info", `{"name":"Ann"}`, "--claim", "team=7", "--claim", "note=a, b"))
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if left := time.Until(c.Expires); c.User != "ann" || left < 4*time.Minute || left > 6*time.Minute || string(c.Info) != `{"name":"Ann"}` {
			t.Errorf("%s: %+v", alg, c)
		}
		if !c.MayJoin("chat:1") || !c.MayPublish("chat:1") || c.MayJoin("news:1") || !c.MayWatch("news:*") {
			t.Errorf("%s: the rooms are %v", alg, c.Rooms)
		}
		if text := string(c.Raw); !strings.Contains(text, `"team":7`) || !strings.Contains(text, `"note":"a, b"`) {
			t.Errorf("%s: the claims are %s", alg, text)
		}
		if c, err = v.VerifyRoom(t.Context(), make("--sub", "ann", "--for-room", "chat:7", "--can", "join"), "ann", "chat:7"); err != nil || len(c.Can) != 1 {
			t.Errorf("%s: the room token: %v, %v", alg, c, err)
		}
		if _, err := v.VerifyRoom(t.Context(), make("--for-room", "chat:7"), "bob", "chat:7"); err != nil {
			t.Errorf("%s: the room token for anybody: %v", alg, err)
		}
		if _, errs, err := tidewire(t, nil, "token", "generate-key", "--alg", alg, "--out", file); exitCode(err) != exitFailed || !strings.Contains(errs, "exists") {
			t.Errorf("%s: a key was replaced: %v", alg, err)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	secret := file("secret", "hunter2-hunter2-hunter2-hunter2-hunter2\n")
	for _, tc := range []struct {
		name, args string
		code       int
		want       string // in what is told
	}{
		{"short secret", "--sub ann --hmac-secret-file " + file("short", "hunter2\n"), exitFailed, `has 7 bytes; it must have 32 at least`},
		{"PEM as secret", "--sub ann --hmac-secret-file " + file("pem", "-----BEGIN PRIVATE KEY-----\nhunter2hunter2hunter2\n"), exitFailed, `give it with --key`},
		{"secret as key", "--sub ann --key " + secret, exitFailed, `holds no private key in PEM`},
		{"no file", "--sub ann --key /nowhere", exitFailed, `no such file`},
		{"no key", "--sub ann", exitUsage, `--hmac-secret-file|--key`},
		{"two keys", "--sub ann --key x --hmac-secret-file " + secret, exitUsage, `can't be used together`},
		{"nobody", "--hmac-secret-file " + secret, exitUsage, `needs --sub`},
		{"bad user", "--sub a\x01b --hmac-secret-file " + secret, exitUsage, `--sub: user has a character`},
		{"no time", "--sub ann --expires 0s --hmac-secret-file " + secret, exitUsage, `--expires is 0s`},
		{"no permission", "--sub ann --room chat:* --hmac-secret-file " + secret, exitUsage, `must be ROOM=CAN`},
		{"another permission", "--sub ann --room chat:*=history --hmac-secret-file " + secret, exitUsage, `"history" is none of join`},
		{"bad room", "--sub ann --room a*=join --hmac-secret-file " + secret, exitUsage, `segment of its own`},
		{"wildcard", "--sub ann --for-room chat:* --hmac-secret-file " + secret, exitUsage, `is a wildcard`},
		{"rooms of a room token", "--for-room a --room b=join --hmac-secret-file " + secret, exitUsage, `not for room tokens`},
		{"to watch one room", "--for-room a --can watch --hmac-secret-file " + secret, exitUsage, `neither join nor publish`},
		{"bad info", "--sub ann --info {x --hmac-secret-file " + secret, exitUsage, `must be JSON`},
		{"sub twice", "--sub ann --claim sub=bob --hmac-secret-file " + secret, exitUsage, `no other flag`},
		{"long", "--sub ann --claim x=" + strings.Repeat("x", 9000) + " --hmac-secret-file " + secret, exitFailed, `more than a server takes`},
		{"another algorithm", "generate-key --alg none --out " + filepath.Join(dir, "x"), exitUsage, `--alg must be one of`},
	} {
		out, errs, err := tidewire(t, io.LimitReader(nil, 0), append([]string{"token"}, strings.Fields(tc.args)...)...)
		if exitCode(err) != tc.code || out != "" || !regexp.MustCompile(tc.want).MatchString(errs) || strings.Contains(errs, "hunter2") {
			t.Errorf("%s: exit status %d, %q, %s", tc.name, exitCode(err), out, errs)
		}
	}
}
