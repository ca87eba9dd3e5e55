package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/service/webhook"
)

// tokenCommand makes tokens, and keys for them.
type tokenCommand struct {
	Create      createTokenCommand `cmd:"" default:"withargs" help:"Make a token and print it."`
	GenerateKey generateKeyCommand `cmd:"" help:"Make a secret or a pair of keys."`
}

const tokenHelp = `For development and tests: an application's login makes its tokens with a library. docs/authentication.md has the claims.

  tidewire token generate-key --alg ES256 --out key.pem
  tidewire token --sub ann --key key.pem --room 'chat:*=join,publish'
  tidewire token --sub ann --key key.pem --for-room chat:7 --expires 10m`

// Help is kong's hook.
func (tokenCommand) Help() string { return tokenHelp }

type createTokenCommand struct {
	Sub      string        `help:"The user (sub). A room token without one is for anybody." placeholder:"USER" env:"-"`
	Expires  time.Duration `help:"How long the token is good (exp)." default:"1h" env:"-"`
	Secret   string        `name:"hmac-secret-file" help:"Sign with the bytes of this file, 32 at least, as they are but for a line break at the end: HS256." placeholder:"FILE" xor:"key" required:"" env:"-"`
	Key      string        `help:"Sign with the private key in this file, in PEM: RS256, ES256, ES384, ES512 or EdDSA, as the key is." placeholder:"FILE" xor:"key" required:"" env:"-"`
	KID      string        `name:"kid" help:"The name of the key (kid)." env:"-"`
	Issuer   string        `help:"Who made it (iss)." env:"-"`
	Audience string        `help:"Whom it is for (aud)." env:"-"`
	Room     []string      `help:"What the session may do: a room or a wildcard, =, and some of join, publish and watch (rooms). May be given several times." placeholder:"ROOM=CAN" sep:"none" env:"-"`
	ForRoom  string        `help:"Make a token for this room alone, to be brought with its $$join." placeholder:"ROOM" env:"-"`
	Can      []string      `help:"With --for-room: what it allows." default:"join,publish" env:"-"`
	Info     string        `help:"What others see of the user in rooms with presence (info)." placeholder:"JSON" env:"-"`
	Claim    []string      `help:"Another claim. The value is JSON, or else a text. May be given several times." placeholder:"NAME=VALUE" sep:"none" env:"-"`
}

// Validate is kong's hook.
func (c *createTokenCommand) Validate() error {
	switch {
	case c.Expires < time.Second:
		return fmt.Errorf("--expires is %v; it must be 1s at least", c.Expires)
	case c.Sub == "" && c.ForRoom == "":
		return errors.New("a session's token needs --sub")
	case c.ForRoom != "" && (len(c.Room) > 0 || c.Info != ""):
		return errors.New("--room and --info are not for room tokens (--for-room)")
	case c.Info != "" && !json.Valid([]byte(c.Info)):
		return fmt.Errorf("--info is %q; it must be JSON", c.Info)
	}
	if c.Sub != "" {
		if err := protocol.CheckUser(c.Sub); err != nil {
			return fmt.Errorf("--sub: %s", err.Message)
		}
	}
	if c.ForRoom != "" {
		if err := protocol.CheckRoom(c.ForRoom); err != nil {
			return fmt.Errorf("--for-room: %s", err.Message)
		}
		if protocol.IsWildcard(c.ForRoom) {
			return errors.New("--for-room is a wildcard; it must be one room")
		}
	}
	_, err := c.claims()
	return err
}

// claims returns what the token says, but for its dates.
func (c *createTokenCommand) claims() (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	for name, value := range map[string]string{"sub": c.Sub, "iss": c.Issuer, "aud": c.Audience} {
		if value != "" {
			claims[name] = value
		}
	}
	if c.Info != "" {
		claims["info"] = json.RawMessage(c.Info)
	}
	var grants []token.Grant
	for _, text := range c.Room {
		room, can, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--room is %q; it must be ROOM=CAN", text)
		}
		if err := protocol.CheckRoom(room); err != nil {
			return nil, fmt.Errorf("--room %q: %s", text, err.Message)
		}
		g := token.Grant{Room: room}
		for p := range strings.SplitSeq(can, ",") {
			g.Can = append(g.Can, token.Permission(p))
			if !slices.Contains([]token.Permission{token.Join, token.Publish, token.Watch}, token.Permission(p)) {
				return nil, fmt.Errorf("--room %q: %q is none of join, publish and watch", text, p)
			}
		}
		grants = append(grants, g)
	}
	if grants != nil {
		claims["rooms"] = grants
	}
	if c.ForRoom != "" {
		for _, p := range c.Can {
			if p != "join" && p != "publish" {
				return nil, fmt.Errorf("--can: %q is neither join nor publish", p)
			}
		}
		claims["use"], claims["room"], claims["can"] = "room", c.ForRoom, c.Can
	}
	for _, text := range c.Claim {
		name, value, ok := strings.Cut(text, "=")
		if _, taken := claims[name]; !ok || name == "" || taken {
			return nil, fmt.Errorf("--claim is %q; it must be NAME=VALUE, of a claim that there is no other flag for", text)
		}
		claims[name] = value
		if json.Valid([]byte(value)) {
			claims[name] = json.RawMessage(value)
		}
	}
	return claims, nil
}

// Run prints a token.
func (c *createTokenCommand) Run(std stdio) error {
	claims, err := c.claims()
	if err != nil {
		return err
	}
	now := time.Now()
	for name, at := range map[string]time.Time{"iat": now, "exp": now.Add(c.Expires)} {
		if _, given := claims[name]; !given {
			claims[name] = at.Unix()
		}
	}
	method, key, err := c.signer()
	if err != nil {
		return err
	}
	t := jwt.NewWithClaims(method, claims)
	if c.KID != "" {
		t.Header["kid"] = c.KID
	}
	signed, err := t.SignedString(key)
	if err != nil {
		return errors.New("the token could not be signed")
	}
	if err := protocol.CheckToken(signed); err != nil {
		return fmt.Errorf("the token would have %d bytes, more than a server takes: %s", len(signed), err.Message)
	}
	_, err = fmt.Fprintln(std.out, signed)
	return err
}

// signer reads the key. No error holds a part of it.
func (c *createTokenCommand) signer() (jwt.SigningMethod, any, error) {
	if c.Secret != "" {
		secret, err := os.ReadFile(c.Secret)
		if err != nil {
			return nil, nil, err
		}
		secret = bytes.TrimRight(secret, "\r\n")
		if len(secret) < token.MinSecret {
			return nil, nil, fmt.Errorf("the secret in %s has %d bytes; it must have %d at least: tidewire token generate-key --alg HS256", c.Secret, len(secret), token.MinSecret)
		}
		if bytes.Contains(secret, []byte("-----BEGIN ")) {
			return nil, nil, fmt.Errorf("%s is a key in PEM: give it with --key", c.Secret)
		}
		return jwt.SigningMethodHS256, secret, nil
	}
	text, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, nil, err
	}
	key := privateKey(text)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return jwt.SigningMethodRS256, key, nil
	case *ecdsa.PrivateKey:
		switch key.Curve {
		case elliptic.P256():
			return jwt.SigningMethodES256, key, nil
		case elliptic.P384():
			return jwt.SigningMethodES384, key, nil
		case elliptic.P521():
			return jwt.SigningMethodES512, key, nil
		}
	case ed25519.PrivateKey:
		return jwt.SigningMethodEdDSA, key, nil
	}
	return nil, nil, fmt.Errorf("%s holds no private key in PEM of RSA, ECDSA on P-256, P-384 or P-521, or Ed25519", c.Key)
}

// privateKey reads the first private key, or returns nil.
func privateKey(text []byte) any {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return key
		}
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key
		}
		if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return key
		}
	}
	return nil
}

type generateKeyCommand struct {
	Alg string `help:"For which algorithm: ${enum}; webhook is a secret for --webhook-secret-file." enum:"HS256,RS256,ES256,ES384,ES512,EdDSA,webhook" default:"ES256" env:"-"`
	Out string `help:"The file to write the secret or the private key to, for its owner alone. It must not be there yet." placeholder:"FILE" required:"" env:"-"`
}

// Help is kong's hook.
func (generateKeyCommand) Help() string {
	return "The public key, which servers check tokens with, is printed. For HS256 the server needs the file itself."
}

// Run makes a key.
func (c *generateKeyCommand) Run(std stdio) error {
	var private crypto.Signer
	var err error
	switch c.Alg {
	case "HS256":
		return c.write([]byte(rand.Text() + rand.Text() + "\n"))
	case "webhook":
		return c.write([]byte(webhook.NewSecret() + "\n"))
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return err
	}
	if err := c.write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	return pem.Encode(std.out, &pem.Block{Type: "PUBLIC KEY", Bytes: public})
}

// write makes the file; a key that is there may be in use, and is never replaced.
func (c *generateKeyCommand) write(text []byte) error {
	file, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, bytes.NewReader(text))
	return errors.Join(err, file.Close())
}
