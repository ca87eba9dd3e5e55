package token

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
)

// Options configures a Verifier. The zero value of each field is its default. Without Keys and JWKS every token is
// refused: for strangers alone, and for sessions that something else than a token lets in (NewClaims).
type Options struct {
	// Keys check signatures: 16 public keys and secrets at most.
	Keys []Key

	// JWKS is the URL of a JSON Web Key Set (RFC 7517) with more public keys: https, or http on a loopback address. It is
	// fetched at once, then each JWKSEvery, and when a token names a key that is not in it, but not within
	// JWKSGap of the last fetch. While it cannot be had, the last set is kept.
	JWKS string

	JWKSEvery   time.Duration     // 0 means 10 min
	JWKSGap     time.Duration     // 0 means 30 s
	JWKSTimeout time.Duration     // of a fetch; 0 means 5 s
	Transport   http.RoundTripper // of the fetches; nil means http.DefaultTransport

	// Issuer is what "iss" must be. "" means that any will do.
	Issuer string

	// Audience is what "aud" must be or contain. "" means that a token with "aud" is refused, as it is for somebody
	// else (RFC 7519, section 4.1.3).
	Audience string

	// Leeway is how wrong clocks may go: "exp" counts that much later, "nbf" and "iat" that much earlier. 0 means 30 s;
	// negative means none.
	Leeway time.Duration

	// NoExpiry lets tokens in that have no "exp". Nothing but a new key ends these.
	NoExpiry bool

	// MaxToken is how long a token may be, in bytes. 0 means 8192, which live bounds it to as well.
	MaxToken int

	// Rooms is what a token without "rooms" allows, and what strangers may, and those of NewClaims without rooms. nil means nothing.
	// Where several cover a room, the one that covers least decides alone: one that allows nothing takes away what a wider one allows.
	Rooms []Grant

	// Strangers lets sessions without a token in, as nobody. A token that is not good is refused all the same.
	Strangers bool

	// Logger hears why room tokens were refused (why tokens of sessions were, the Hub's hears), and what is wrong with the
	// JWKS. nil means slog.Default().
	Logger *slog.Logger
}

// Verifier checks tokens. All its methods may be called at the same time.
type Verifier struct {
	fixed     []check
	set       *keySet // nil without a JWKS
	parser    *jwt.Parser
	validator *jwt.Validator
	audience  string
	leeway    time.Duration
	maxToken  int
	rooms     []Grant
	strangers bool
	log       *slog.Logger

	mu    sync.Mutex
	kept  map[*live.Session]*passes
	algs  map[string]bool // of any key, the JWKS's included
	close func()
}

// New makes a Verifier. It does not wait for the JWKS: see Ready. Close ends what fetches it. The error says which
// option makes no sense, without repeating a key.
func New(o Options) (*Verifier, error) {
	v := &Verifier{
		leeway: max(0, cmp.Or(o.Leeway, 30*time.Second)), maxToken: cmp.Or(o.MaxToken, protocol.MaxToken),
		audience: o.Audience, rooms: slices.Clone(o.Rooms), strangers: o.Strangers, log: o.Logger,
		kept: map[*live.Session]*passes{}, algs: map[string]bool{}, close: func() {},
	}
	if v.log == nil {
		v.log = slog.Default()
	}
	for i := range o.Keys {
		checks, err := o.Keys[i].checks()
		if err != nil {
			return nil, fmt.Errorf("token: key %d (Options.Keys): %w", i+1, err)
		}
		v.fixed = append(v.fixed, checks...)
	}
	for i := range v.rooms {
		if err := v.rooms[i].checkStanding(); err != nil {
			return nil, fmt.Errorf("token: Options.Rooms: %w", err)
		}
	}
	switch {
	case len(v.fixed) > maxKeys:
		return nil, fmt.Errorf("token: more than %d keys (Options.Keys)", maxKeys)
	case v.maxToken < 0 || o.JWKSEvery < 0 || o.JWKSGap < 0 || o.JWKSTimeout < 0:
		return nil, errors.New("token: a negative number in the Options")
	}
	for _, c := range v.fixed {
		for _, alg := range c.algs {
			v.algs[alg] = true
		}
	}
	if o.JWKS != "" {
		for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
			v.algs[alg] = true
		}
	}
	var algs []string
	for alg := range v.algs {
		algs = append(algs, alg)
	}
	v.parser = jwt.NewParser(jwt.WithValidMethods(algs), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	rules := []jwt.ParserOption{jwt.WithLeeway(v.leeway), jwt.WithIssuedAt()}
	if !o.NoExpiry {
		rules = append(rules, jwt.WithExpirationRequired())
	}
	if o.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		rules = append(rules, jwt.WithAudience(o.Audience))
	}
	v.validator = jwt.NewValidator(rules...)
	if o.JWKS != "" {
		var err error
		if v.set, err = newKeySet(&o, v.log); err != nil {
			return nil, err
		}
		v.close = v.set.close
	}
	return v, nil
}

// Close ends the fetching of the JWKS and waits for it. What is there goes on to be checked with.
func (v *Verifier) Close() { v.close() }

// Ready returns nil if tokens can be checked, and an error as long as a JWKS was not had even once.
func (v *Verifier) Ready() error {
	if v.set != nil && !v.set.had() {
		return errors.New("token: the JWKS has not been had yet")
	}
	return nil
}

// Authenticate is for live.Options. The token is that of the $hello or $refresh, or, where that has none, the one in
// the handshake's "Authorization: Bearer". Identity.Claims is a *Claims. The error is a *Refusal, which
// the client is told as "unauthorized"; or, while there is no JWKS yet, a *live.Error with "unavailable".
func (v *Verifier) Authenticate(ctx context.Context, c live.Credentials) (live.Identity, error) {
	raw := c.Token
	if raw == "" {
		if scheme, rest, _ := strings.Cut(c.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			raw = rest
		}
	}
	if raw == "" {
		if v.strangers {
			return live.Identity{Claims: &Claims{Rooms: v.rooms, standing: true}}, nil
		}
		return live.Identity{}, refuse(Missing, "")
	}
	claims, err := v.Verify(ctx, raw)
	if err != nil {
		return live.Identity{}, err
	}
	return claims.Identity(), nil
}

// Verify checks the token of a session. It may wait for the JWKS, until ctx ends.
// Errors are those of Authenticate.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	raw, err := v.signed(ctx, token)
	if err != nil {
		return nil, err
	}
	return v.claims(raw, false)
}

// VerifyRoom checks a room token for a user who wants to be in a room. CanJoin does that. Errors are those of Authenticate.
func (v *Verifier) VerifyRoom(ctx context.Context, token, user, room string) (*Claims, error) {
	raw, err := v.signed(ctx, token)
	if err != nil {
		return nil, err
	}
	c, err := v.claims(raw, true)
	switch {
	case err != nil:
		return nil, err
	case c.Room != room:
		return nil, refuse(WrongRoom, "")
	case c.User != "" && c.User != user:
		return nil, refuse(WrongUser, "")
	}
	return c, nil
}

// payload takes the claims as they are: they are read when the signature has been checked.
type payload struct {
	jwt.RegisteredClaims
	raw []byte
}

// UnmarshalJSON is encoding/json's.
func (p *payload) UnmarshalJSON(data []byte) error {
	p.raw = slices.Clone(data)
	return nil
}

// signed returns the claims of a token whose signature is one of our keys'.
func (v *Verifier) signed(ctx context.Context, token string) ([]byte, error) {
	if len(token) > v.maxToken {
		return nil, refuse(TooLarge, "see Options.MaxToken")
	}
	if protocol.CheckToken(token) != nil { // base64 would let line breaks pass
		return nil, refuse(Malformed, "a character that may not be there")
	}
	alg, kid, err := v.header(token)
	if err != nil {
		return nil, err
	}
	keys, err := v.keysFor(ctx, alg, kid)
	if err != nil {
		return nil, err
	}
	var p payload
	_, err = v.parser.ParseWithClaims(token, &p, func(*jwt.Token) (any, error) { return keys, nil })
	if err != nil {
		return nil, refusalOf(err)
	}
	return p.raw, nil
}

// header reads the first part of a token. What it does not name has no influence: neither a key in it nor where to get one.
func (v *Verifier) header(token string) (alg, kid string, err error) {
	bad := func(detail string) (string, string, error) { return "", "", refuse(Malformed, detail) }
	part, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return bad("the header is no base64url")
	}
	o, err := object.Parse(raw, maxDepth)
	if err != nil {
		return bad("the header: " + err.Error())
	}
	if _, ok := o["crit"]; ok { // RFC 7515, section 4.1.11: what we do not know
		return bad("the header has crit")
	}
	typ, err := o.Text("typ")
	if err != nil {
		return bad(err.Error())
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "", "jwt", "at+jwt":
	default: // RFC 8725, section 3.11
		return bad("typ is that of other tokens")
	}
	if kid, err = o.Text("kid"); err != nil {
		return bad(err.Error())
	}
	if len(kid) > maxKID {
		return bad("kid is too long")
	}
	if alg, err = o.Text("alg"); err != nil {
		return bad(err.Error())
	}
	if !v.algs[alg] {
		return "", "", refuse(BadAlgorithm, "")
	}
	return alg, kid, nil
}

// keysFor returns the keys that a token may be signed with.
func (v *Verifier) keysFor(ctx context.Context, alg, kid string) (jwt.VerificationKeySet, error) {
	var keys jwt.VerificationKeySet
	named := false
	for i := range v.fixed {
		if c := &v.fixed[i]; c.fits(alg) && (kid == "" || c.id == "" || c.id == kid) {
			keys.Keys = append(keys.Keys, c.key)
			named = named || kid != "" && c.id == kid
		}
	}
	if v.set != nil && !named && !strings.HasPrefix(alg, "HS") {
		more, err := v.set.find(ctx, alg, kid)
		if err != nil && len(keys.Keys) == 0 {
			return keys, err
		}
		for _, c := range more {
			keys.Keys = append(keys.Keys, c.key)
		}
	}
	if len(keys.Keys) == 0 {
		return keys, refuse(UnknownKey, "")
	}
	return keys, nil
}

// refusalOf says in our words what the library found: its own may repeat what is in the token.
func refusalOf(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuse(Malformed, "")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return refuse(BadSignature, "")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return refuse(BadAlgorithm, "")
	case errors.Is(err, jwt.ErrTokenExpired):
		return refuse(Expired, "")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return refuse(NotYet, "nbf")
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refuse(NotYet, "iat")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return refuse(BadIssuer, "")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refuse(BadAudience, "")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return refuse(BadClaims, "exp, iss or aud is missing")
	}
	return refuse(BadClaims, "")
}
