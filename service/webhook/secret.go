package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// How a secret begins, and how many bytes it may have, by the Standard Webhooks.
const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
)

// NewSecret returns a new secret: "whsec_" and 32 random bytes in base64.
func NewSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// keysOf returns the keys that secrets stand for. Its errors hold nothing of them.
func keysOf(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 || len(secrets) > maxSecrets {
		return nil, fmt.Errorf("there are %d secrets; 1 to %d are needed", len(secrets), maxSecrets)
	}
	var keys [][]byte
	for i, s := range secrets {
		text, ok := strings.CutPrefix(s, secretPrefix)
		key, err := base64.StdEncoding.DecodeString(text)
		switch {
		case !ok || err != nil || strings.ContainsAny(text, "\r\n"): // which base64 would let pass
			return nil, errors.New("secret " + fmt.Sprint(i+1) + ` is not "whsec_" and base64`)
		case len(key) < minSecret || len(key) > maxSecret:
			return nil, fmt.Errorf("secret %d has %d bytes; it must have %d to %d", i+1, len(key), minSecret, maxSecret)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
