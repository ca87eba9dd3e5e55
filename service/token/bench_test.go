package token_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/tidewire/tidewire/service/token"
)

// BenchmarkVerify checks one token per algorithm, with claims as an application has them.
func BenchmarkVerify(b *testing.B) {
	all := keysByAlgorithm()
	for _, alg := range slices.Sorted(maps.Keys(all)) {
		v := newVerifier(b, token.Options{Keys: []token.Key{all[alg].public}})
		raw := sign(alg, all[alg].private, m{"alg": alg, "typ": "JWT", "kid": "k1"}, claims(m{
			"iat": 1700000000, "info": m{"name": "Ann", "colour": "#0a7"}, "rooms": []m{{"room": "chat:*", "can": []string{"join", "publish"}}}}))
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse checks what somebody without a key can send, at its dearest: with a signature that is wrong.
func BenchmarkRefuse(b *testing.B) {
	v := newVerifier(b, token.Options{Keys: []token.Key{{PEM: publicPEM(p256)}}})
	raw := sign("ES256", unpublished, m{"alg": "ES256"}, claims(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err == nil {
			b.Fatal("taken")
		}
	}
}
