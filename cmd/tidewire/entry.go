package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidewire/tidewire/service/token"
)

// entryFlags say who comes in to the rooms of --rooms by what it brings itself: a token, or nothing.
type entryFlags struct {
	JWTSecretFile []string      `name:"jwt-secret-file" help:"Let clients in by JSON Web Tokens that are signed with the secret in this file: 32 bytes at least, as they are but for a line break at the end (HS256)." placeholder:"FILE"`
	JWTPublicKey  []string      `name:"jwt-public-key" help:"Let clients in by tokens whose signature fits this public key, in PEM (RS256 to PS512, ES256 to ES512, EdDSA)." placeholder:"FILE"`
	JWTJWKS       string        `name:"jwt-jwks" help:"Let clients in by tokens that are signed with a key of this JSON Web Key Set, which is fetched and fetched again." placeholder:"URL" secret:"urls"`
	JWTIssuer     string        `name:"jwt-issuer" help:"Who must have made the tokens (iss)." placeholder:"NAME"`
	JWTAudience   string        `name:"jwt-audience" help:"Whom the tokens must be for (aud)." placeholder:"NAME"`
	JWTLeeway     time.Duration `name:"jwt-leeway" help:"How wrong clocks may go." default:"30s"`
	Anonymous     bool          `help:"Let clients without a token in, as nobody, to do what --rooms allows."`
}

// signed reports whether tokens are looked at.
func (e *entryFlags) signed() bool {
	return len(e.JWTSecretFile)+len(e.JWTPublicKey) > 0 || e.JWTJWKS != ""
}

func (e *entryFlags) validate(rooms, asks bool) error {
	switch {
	case !rooms && (e.signed() || e.Anonymous):
		return errors.New("--jwt-secret-file, --jwt-public-key, --jwt-jwks and --anonymous go with --rooms")
	case rooms && !e.signed() && !e.Anonymous && !asks:
		return errors.New("--rooms needs to know who comes in: give --jwt-secret-file, --jwt-public-key, --jwt-jwks, --webhook-url with the event connect, or --anonymous")
	case !e.signed() && (e.JWTIssuer != "" || e.JWTAudience != ""):
		return errors.New("--jwt-issuer and --jwt-audience go with a key: --jwt-secret-file, --jwt-public-key or --jwt-jwks")
	case e.JWTLeeway < 0:
		return fmt.Errorf("--jwt-leeway is %v; it must not be negative", e.JWTLeeway)
	}
	return nil
}

// open returns what checks tokens. What the rules allow holds for all whose token does not say otherwise.
func (e *entryFlags) open(ctx context.Context, rules []roomRule, log *slog.Logger) (*token.Verifier, error) {
	o := token.Options{
		JWKS: e.JWTJWKS, Issuer: e.JWTIssuer, Audience: e.JWTAudience, Leeway: e.JWTLeeway, Strangers: e.Anonymous, Logger: log,
	}
	if o.Leeway == 0 {
		o.Leeway = -1 // none
	}
	for _, rule := range rules {
		o.Rooms = append(o.Rooms, token.Grant{Room: rule.pattern, Can: rule.allow})
	}
	for _, name := range e.JWTSecretFile {
		secret, err := readSecret(ctx, "--jwt-secret-file", name)
		if err != nil {
			return nil, err
		}
		if _, err := token.New(token.Options{Keys: []token.Key{{Secret: secret}}}); err != nil {
			return nil, fmt.Errorf("--jwt-secret-file: %s: %w", name, errors.Unwrap(err))
		}
		o.Keys = append(o.Keys, token.Key{Secret: secret})
	}
	for _, name := range e.JWTPublicKey {
		pem, err := readBounded(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("--jwt-public-key: %w", err)
		}
		if _, err := token.New(token.Options{Keys: []token.Key{{PEM: pem}}}); err != nil {
			return nil, fmt.Errorf("--jwt-public-key: %s: %w", name, errors.Unwrap(err))
		}
		o.Keys = append(o.Keys, token.Key{PEM: pem})
	}
	v, err := token.New(o)
	if err != nil {
		return nil, fmt.Errorf("--jwt-…: %w", err)
	}
	return v, nil
}
