package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// greets answers a handshake well, with fields of its own.
func greets(nc net.Conn, fields string) (*bufio.Reader, error) {
	r := bufio.NewReader(nc)
	request, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(nc, "HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		base64.StdEncoding.EncodeToString(sum[:]), fields)
	return r, err
}

// does greets, writes that, and then reads without a word until the peer is gone.
func does(what string) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		r, err := greets(nc, "")
		if err != nil {
			return err
		}
		if _, err := io.WriteString(nc, what); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	}
}

// answers reads a request, writes that, and goes on as after.
func answers(what string, after func(nc net.Conn) error) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
			return err
		}
		if _, err := io.WriteString(nc, what); err != nil || after == nil {
			return err
		}
		return after(nc)
	}
}

func stalls(nc net.Conn) error {
	_, err := io.Copy(io.Discard, nc)
	return err
}

// floods writes the same as long as it can.
func floods(what string) func(nc net.Conn) error {
	return func(nc net.Conn) error {
		for {
			if _, err := io.WriteString(nc, what); err != nil {
				return err
			}
		}
	}
}

// TestConnectHostileServers meets servers that stall, lie and flood: it ends by itself, says why, and says nothing that a terminal obeys.
func TestConnectHostileServers(t *testing.T) {
	const escapes = "\x1b]0;owned\x07\x1b[2J\u202e\u009b"
	const soft = "\u202e\u009b31m" // what fields may hold
	for name, tc := range map[string]struct {
		server func(nc net.Conn) error
		args   string
		input  string
		code   int
		says   string
	}{
		"no answer":               {stalls, "--connect-timeout 50ms", "", exitUnreached, "nothing came within --connect-timeout"},
		"half an answer":          {answers("HTTP/1.1 101 Swi", stalls), "--connect-timeout 50ms", "", exitUnreached, "nothing came within --connect-timeout"},
		"an answer without end":   {answers("HTTP/1.1 101 x\r\n", floods("a: b\r\n")), "", "", exitUnreached, "too large|longer than|too long|bytes"},
		"a line without end":      {answers("HTTP/1.1 101 x\r\n", floods("a")), "", "", exitUnreached, "too large|longer than|too long|bytes"},
		"interim without end":     {answers("", floods("HTTP/1.1 103 Early Hints\r\n\r\n")), "--connect-timeout 1s", "", exitUnreached, "1xx|interim|informational"},
		"a body that never comes": {answers("HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\nbegun", stalls), "--connect-timeout 50ms", "", exitUnreached, `(?s)  begun\n.*the server answered 403 No`},
		"a body without end":      {answers("HTTP/1.1 403 No\r\n\r\n", floods("no and ")), "--connect-timeout 1s", "", exitUnreached, `(?s)  no and no.*the server answered 403 No`},
		"escapes in a refusal": {
			answers("HTTP/1.1 403 "+escapes+"\r\nServer: "+soft+"\r\nConnection: close\r\n\r\nbody "+escapes, nil), "-v", "", exitUnreached,
			`(?s)Server: \\u202e.*body \\x1b\]0;owned\\x07.*the server answered 403 \\x1b\]0;owned`,
		},
		"escapes in a redirect":       {answers("HTTP/1.1 302 Found\r\nLocation: ws://"+soft+"/\r\nConnection: close\r\n\r\n", nil), "--redirects 2", "", exitUnreached, "redirect"},
		"escapes in advice":           {answers("HTTP/1.1 302 Found\r\nLocation: %"+soft+"\r\nConnection: close\r\n\r\n", nil), "", "", exitUnreached, "it is elsewhere"},
		"escapes in the subprotocol":  {func(nc net.Conn) error { _, err := greets(nc, "Sec-WebSocket-Protocol: "+soft+"\r\n"); return err }, "-s chat", "", exitUnreached, `202e`},
		"escapes in the extensions":   {func(nc net.Conn) error { _, err := greets(nc, "Sec-WebSocket-Extensions: "+soft+"\r\n"); return err }, "--compress -v", "", exitUnreached, `202e`},
		"escapes in no HTTP":          {answers("SSH-2.0-"+escapes+"\r\n", nil), "", "", exitUnreached, "is not HTTP"},
		"escapes in the closing":      {does("\x88\x10\x0f\xa1" + escapes[:14]), "-u", "", exitBroken, `4001 \(private code\) "\\x1b\]0;owned\\a`},
		"a closing that is no UTF-8":  {does("\x88\x04\x0f\xa1\xff\xfe"), "-u", "", exitBroken, "UTF-8"},
		"text that is no UTF-8":       {does("\x81\x02\xff\xfe"), "-u", "", exitBroken, "UTF-8"},
		"a message that is too large": {does("\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00"), "-u", "", exitBroken, "1009"},
		"a length that is none":       {does("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), "-u", "", exitBroken, "1002"},
		"a masked frame":              {does("\x82\x80\x00\x00\x00\x00"), "-u -v", "", exitBroken, "1002"},
		"no frames":                   {does(strings.Repeat("\xff", 100)), "-u -v", "", exitBroken, "1002"},
		"half a frame":                {func(nc net.Conn) error { _, err := greets(nc, ""); io.WriteString(nc, "\x82\x05he"); return err }, "-u", "", exitBroken, "the connection broke: 1006"},
		"the end without a closing":   {func(nc net.Conn) error { _, err := greets(nc, ""); return err }, "-u", "", exitBroken, "the connection broke: 1006"},
		"nothing when expected":       {does(""), "-u -n 1 --timeout 50ms", "", exitUnseen, "0 of 1 messages came"},
		"a half without end":          {does("\x01\x01h"), "-u -n 1 --timeout 50ms", "", exitUnseen, "0 of 1 messages came"},
		"a closing that never comes":  {does(""), "", "hello\n", exitDone, "^$"},
		"a flood behind the closing": {func(nc net.Conn) error {
			if _, err := greets(nc, ""); err != nil {
				return err
			}
			return floods("\x81\x01x")(nc)
		}, "", "hello\n", exitBroken, "closed before the peer had finished"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, stderr logged
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			args := append([]string{"connect", "ws://" + attending(t, tc.server) + "/"}, strings.Fields(tc.args)...)
			code := exitCode(run(ctx, args, stdio{strings.NewReader(tc.input), &out, &stderr}))
			said := stderr.take()
			if ctx.Err() != nil {
				t.Fatalf("it does not end; it says %q", said)
			}
			if code != tc.code || !regexp.MustCompile(tc.says).MatchString(said) {
				t.Errorf("exit status %d, want %d; it says %q, want %s", code, tc.code, said, tc.says)
			}
			if regexp.MustCompile(`[^\n\t -~\x{a1}-\x{2027}]`).MatchString(said) {
				t.Errorf("a terminal obeys %q", said)
			}
		})
	}
}

// TestConnectHostileInput is given what is no message, or hardly one.
func TestConnectHostileInput(t *testing.T) {
	peers := "ws://" + connectPeers(t)
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	long := strings.Repeat("x", 16<<20)
	for name, tc := range map[string]struct {
		args  string
		input string
		code  int
		out   string
		says  string
	}{
		"the longest line":        {peers + "/echo -n 1", long + "\n", exitDone, long + "\n", "^$"},
		"a line that is longer":   {peers + "/echo", long + "xxx\n", exitFailed, "", "line 1 is longer than 16777216 bytes"},
		"a whole that is longer":  {peers + "/echo --whole", long + "x", exitFailed, "", "the input is longer than 16777216 bytes"},
		"NULs":                    {peers + "/echo -n 1", "a\x00b\n", exitDone, "a\x00b\n", "^$"},
		"lines that end with NUL": {peers + "/echo -0 -n 2", "a\nb\x00c", exitDone, "a\nb\x00c\x00", "^$"},
		"text that is no UTF-8":   {peers + "/echo", "ok\n\xff\xfe\n", exitFailed, "ok\n", "line 2 of the input cannot be sent: it is not UTF-8"},
		"JSON with such text":     {peers + "/echo --jsonl", `{"type":"text","base64":"/w=="}` + "\n", exitFailed, "", "^tidewire: a message cannot be sent: .*UTF-8"},
		"JSON that is none":       {peers + "/echo --jsonl", "[[[[\n", exitFailed, "", "line 1 of the input cannot be sent: it is not the JSON"},
		"an argument of no text":  {peers + "/echo -u -b -n 1 -x \xff\xfea", "", exitDone, "\xff\xfea", "^$"},
		"an argument for a text":  {peers + "/echo -u -x \xff", "", exitUsage, "", "it is not UTF-8"},
		"a pattern of no text":    {peers + "/echo -u -e \xff", "", exitUsage, "", "invalid UTF-8"},
		"empty lines":             {peers + "/echo -n 2", "\n\r\n", exitDone, "\n\n", "^$"},
		"nobody at a UDP port":    {"udp://" + nobody.LocalAddr().String() + " -n 1", "one\ntwo\nthree\n", exitUnseen, "", "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, stderr logged
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			code := exitCode(run(ctx, append([]string{"connect"}, strings.Fields(tc.args)...), stdio{strings.NewReader(tc.input), &out, &stderr}))
			said, printed := stderr.take(), out.take()
			if ctx.Err() != nil {
				t.Fatalf("it does not end; it says %q", said)
			}
			if code != tc.code || !regexp.MustCompile(tc.says).MatchString(said) {
				t.Errorf("exit status %d, want %d; it says %q, want %s", code, tc.code, said, tc.says)
			}
			if printed != tc.out {
				t.Errorf("it prints %.100q (%d bytes), want %.100q", printed, len(printed), tc.out)
			}
		})
	}
}

// TestConnectStalled has each stage on the way to a connection stall: that ends with --connect-timeout, and with Ctrl-C at once.
func TestConnectStalled(t *testing.T) {
	for name, args := range map[string]string{
		"the handshake":       "ws://SERVER/",
		"TLS":                 "wss://SERVER/",
		"TLS alone":           "tls://SERVER",
		"a proxy":             "ws://far.invalid/ --proxy http://SERVER",
		"a proxy's TLS":       "ws://far.invalid/ --proxy https://SERVER",
		"SOCKS":               "ws://far.invalid/ --proxy socks5://SERVER",
		"and again and again": "ws://SERVER/ -r --reconnect-max 1ms",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			met := make(chan struct{}, 100)
			address := attending(t, func(nc net.Conn) error {
				met <- struct{}{}
				return stalls(nc)
			})
			line := append([]string{"connect", "-u"}, strings.Fields(strings.ReplaceAll(args, "SERVER", address))...)
			var stderr logged
			if name != "and again and again" {
				code := exitCode(run(patient(t), append(line, "--connect-timeout", "50ms"), stdio{strings.NewReader(""), io.Discard, &stderr}))
				if said := stderr.take(); code != exitUnreached || !strings.Contains(said, "(nothing came within --connect-timeout") {
					t.Errorf("exit status %d: %s", code, said)
				}
				<-met
			}
			ctx, stop := context.WithCancel(patient(t))
			defer stop()
			ended := make(chan error, 1)
			go func() {
				ended <- run(ctx, append(line, "--connect-timeout", "1h"), stdio{strings.NewReader(""), io.Discard, &stderr})
			}()
			<-met
			stop()
			select {
			case err := <-ended:
				if said := stderr.take(); err != nil || said != "" {
					t.Errorf("after Ctrl-C: %v, %q", err, said)
				}
			case <-patient(t).Done():
				t.Error("it does not end")
			}
		})
	}
}
