package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Key is what the signatures of tokens are checked with: a secret or a public key.
type Key struct {
	// ID is the kid of the tokens that it is for. "" means any: also those without one.
	ID string

	// Secret is for HMAC: 32 bytes or more for HS256, 48 for HS384 and 64 for HS512 too, by RFC 7518,
	// section 3.2. Whoever checks with it can sign with it.
	Secret []byte

	// PEM has public keys ("PUBLIC KEY" or "RSA PUBLIC KEY"): of RSA with 2048 to 8192 bits, for RS256 to RS512 and PS256
	// to PS512; of ECDSA on P-256, P-384 or P-521, for ES256, ES384 or ES512; Ed25519, for EdDSA.
	PEM []byte
}

// The bounds of keys.
const (
	MinSecret = 32 // bytes
	maxKeys   = 16 // of Options.Keys
	maxKID    = 256
	minRSA    = 2048 // bits
	maxRSA    = 8192
)

// check is a key that is ready to check with.
type check struct {
	id   string
	algs []string
	key  any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

func (c *check) fits(alg string) bool { return slices.Contains(c.algs, alg) }

// checks returns what a Key holds. Its errors hold nothing of it.
func (k *Key) checks() ([]check, error) {
	switch {
	case len(k.ID) > maxKID:
		return nil, fmt.Errorf("the ID is longer than %d bytes", maxKID)
	case (k.Secret == nil) == (k.PEM == nil):
		return nil, errors.New("it has to have a Secret or a PEM")
	case k.Secret != nil:
		algs, err := secretAlgorithms(k.Secret)
		return []check{{k.ID, algs, slices.Clone(k.Secret)}}, err
	}
	var all []check
	for rest := k.PEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		var public any
		var err error
		switch {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return nil, errors.New("the PEM is a private key; only who makes tokens may have that: give the public one")
		case block.Type == "PUBLIC KEY":
			public, err = x509.ParsePKIXPublicKey(block.Bytes)
		case block.Type == "RSA PUBLIC KEY":
			public, err = x509.ParsePKCS1PublicKey(block.Bytes)
		default:
			return nil, errors.New("the PEM holds something else than public keys")
		}
		if err != nil {
			return nil, errors.New("the PEM holds a public key that cannot be read")
		}
		algs, err := publicAlgorithms(public)
		if err != nil {
			return nil, err
		}
		all = append(all, check{k.ID, algs, public})
	}
	if all == nil {
		return nil, errors.New("the PEM holds no public key")
	}
	return all, nil
}

// secretAlgorithms returns the algorithms that a secret is long enough for.
func secretAlgorithms(secret []byte) ([]string, error) {
	if strings.Contains(string(secret), "-----BEGIN ") {
		return nil, errors.New("the Secret is a key in PEM: what is public is no secret")
	}
	switch n := len(secret); {
	case n < MinSecret:
		return nil, fmt.Errorf("the Secret has %d bytes; it must have %d at least", n, MinSecret)
	case n < 48:
		return []string{"HS256"}, nil
	case n < 64:
		return []string{"HS256", "HS384"}, nil
	}
	return []string{"HS256", "HS384", "HS512"}, nil
}

// publicAlgorithms returns the algorithms of a public key.
func publicAlgorithms(key crypto.PublicKey) ([]string, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSA || n > maxRSA {
			return nil, fmt.Errorf("an RSA key has %d bits; it must have %d to %d", n, minRSA, maxRSA)
		}
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return []string{"ES256"}, nil
		case 384:
			return []string{"ES384"}, nil
		case 521:
			return []string{"ES512"}, nil
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("a public key is none of RSA, ECDSA on P-256, P-384 or P-521, and Ed25519")
}
