package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keysByAlgorithm has what each algorithm signs and checks with.
func keysByAlgorithm() map[string]struct {
	private any
	public  token.Key
} {
	type pair = struct {
		private any
		public  token.Key
	}
	rs := pair{rsaKey(), token.Key{PEM: publicPEM(rsaKey())}}
	hmac := pair{secret, token.Key{Secret: secret}}
	return map[string]pair{
		"HS256": hmac, "HS384": hmac, "HS512": hmac,
		"RS256": rs, "RS384": rs, "RS512": rs, "PS256": rs, "PS384": rs, "PS512": rs,
		"ES256": {p256, token.Key{PEM: publicPEM(p256)}},
		"ES384": {p384, token.Key{PEM: publicPEM(p384)}},
		"ES512": {p521, token.Key{PEM: publicPEM(p521)}},
		"EdDSA": {edKey, token.Key{PEM: publicPEM(edKey)}},
	}
}

// TestAlgorithms has each key take what is signed with it, by its own algorithms, and nothing that another key signed.
func TestAlgorithms(t *testing.T) {
	all := keysByAlgorithm()
	for alg, mine := range all {
		v := newVerifier(t, token.Options{Keys: []token.Key{mine.public}})
		for other, key := range all {
			_, err := v.Verify(t.Context(), sign(other, key.private, m{"alg": other}, claims(nil)))
			same := fmt.Sprint(key.public) == fmt.Sprint(mine.public)
			if same && err != nil || !same && reasonOf(t, err) != token.BadAlgorithm {
				t.Errorf("the key of %s and a token by %s: %v", alg, other, err)
			}
		}
	}
}

func TestIdentity(t *testing.T) {
	v := newVerifier(t, secrets())
	exp := time.Now().Add(time.Hour).Truncate(time.Second)
	raw := hs(claims(m{"exp": exp.Unix(), "info": m{"name": "Ann"}, "team": 7,
		"rooms": []m{{"room": "chat:*", "can": []string{"join", "publish"}}, {"room": "team:>", "can": []string{"watch"}}, {"room": "one:*", "can": []string{"watch"}}}}))
	for name, c := range map[string]live.Credentials{
		"token":  {Token: raw},
		"bearer": {Header: http.Header{"Authorization": {"bearer " + raw}}},
		"both":   {Token: raw, Header: http.Header{"Authorization": {"Bearer forged"}}},
	} {
		id, err := v.Authenticate(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if id.User != "ann" || !id.Expires.Equal(exp.Add(30*time.Second)) || fmt.Sprintf("%s", id.Info) != `{"name":"Ann"}` {
			t.Errorf("%s: %+v", name, id)
		}
		got := id.Claims.(*token.Claims)
		if !strings.Contains(string(got.Raw), `"team":7`) {
			t.Errorf("the claims are %s", got.Raw)
		}
		for _, may := range []struct {
			what      string
			got, want bool
		}{
			{"join", got.MayJoin("chat:1"), true},
			{"join deeper", got.MayJoin("chat:1:2"), false},
			{"join less", got.MayJoin("chat"), false},
			{"join another", got.MayJoin("team:1"), false},
			{"join a wildcard", got.MayJoin("chat:*"), false},
			{"join no room", got.MayJoin("chat: "), false},
			{"publish", got.MayPublish("chat:1"), true},
			{"publish to another", got.MayPublish("team:1"), false},
			{"watch what may only be joined", got.MayWatch("chat:*"), false},
			{"watch", got.MayWatch("team:>"), true},
			{"watch less", got.MayWatch("team:*"), true},
			{"watch one level", got.MayWatch("one:*"), true},
			{"watch all levels for one", got.MayWatch("one:>"), false},
			{"watch more", got.MayWatch(">"), false},
			{"watch other", got.MayWatch("*:*"), false},
		} {
			if may.got != may.want {
				t.Errorf("%s: may %s is %v", name, may.what, may.got)
			}
		}
	}
	if _, err := v.Authenticate(t.Context(), live.Credentials{}); reasonOf(t, err) != token.Missing {
		t.Errorf("no token: %v", err)
	}
	if _, err := v.Authenticate(t.Context(), live.Credentials{Header: http.Header{"Authorization": {"Basic " + raw}}}); reasonOf(t, err) != token.Missing {
		t.Errorf("another scheme: %v", err)
	}
}

// TestRefusals has a token per way to forge or to spoil one. None may be taken, and no error may repeat it.
func TestRefusals(t *testing.T) {
	public := publicPEM(rsaKey())
	o := token.Options{Keys: []token.Key{{Secret: secret}, {ID: "r1", PEM: public}, {PEM: publicPEM(p256)}}, MaxToken: 4096}
	v := newVerifier(t, o)
	onlyRSA := newVerifier(t, token.Options{Keys: []token.Key{{PEM: public}}})
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	head := func(more m) m {
		h := m{"alg": "HS256"}
		for name, value := range more {
			h[name] = value
		}
		return h
	}
	withHead := func(more m) string { return sign("HS256", secret, head(more), claims(nil)) }
	parts := strings.Split(hs(claims(nil)), ".")
	b64 := base64.RawURLEncoding.EncodeToString
	signedText := func(header, body string) string { // whatever they are
		text := header + "." + body
		return text + "." + b64(must(jwt.SigningMethodHS256.Sign(text, secret)))
	}
	good := `"sub":"ann","iss":"us","aud":"hub","exp":` + fmt.Sprint(at(time.Hour))
	grant := func(room string, can any) m {
		return claims(m{"rooms": []m{{"room": room, "can": can}}})
	}
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	point := must(other.PublicKey.Bytes())
	for _, tc := range []struct {
		name, token string
		want        token.Reason
		v           *token.Verifier // nil: v
	}{
		{"good", hs(claims(nil)), "", nil},
		{"good by kid", sign("RS256", rsaKey(), m{"alg": "RS256", "kid": "r1"}, claims(nil)), "", nil},

		{"none", b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", token.BadAlgorithm, nil},
		{"None", b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + "." + parts[2], token.BadAlgorithm, nil},
		{"no alg", b64([]byte(`{}`)) + "." + parts[1] + "." + parts[2], token.BadAlgorithm, nil},
		{"alg is a number", b64([]byte(`{"alg":1}`)) + "." + parts[1] + "." + parts[2], token.Malformed, nil},
		{"alg in small letters", sign("HS256", secret, m{"alg": "hs256"}, claims(nil)), token.BadAlgorithm, nil},
		{"public key as secret", sign("HS256", public, m{"alg": "HS256"}, claims(nil)), token.BadAlgorithm, onlyRSA},
		{"public key as secret beside a secret", sign("HS256", public, m{"alg": "HS256"}, claims(nil)), token.BadSignature, nil},
		{"public key as secret, by its kid", sign("HS256", public, m{"alg": "HS256", "kid": "r1"}, claims(nil)), token.BadSignature, nil},
		{"public key in DER as secret", sign("HS256", must(x509.MarshalPKIXPublicKey(rsaKey().Public())), m{"alg": "HS256"}, claims(nil)), token.BadAlgorithm, onlyRSA},
		{"empty secret", sign("HS256", []byte{}, m{"alg": "HS256"}, claims(nil)), token.BadSignature, nil},
		{"another alg in the header", sign("HS512", secret, m{"alg": "HS256"}, claims(nil)), token.BadSignature, nil},
		{"PS for RS", sign("PS256", rsaKey(), m{"alg": "RS256", "kid": "r1"}, claims(nil)), token.BadSignature, nil},

		{"wrong secret", sign("HS256", secret[1:], m{"alg": "HS256"}, claims(nil)), token.BadSignature, nil},
		{"wrong RSA key", sign("RS256", rsaOther(), m{"alg": "RS256"}, claims(nil)), token.BadSignature, nil},
		{"wrong ECDSA key", sign("ES256", other, m{"alg": "ES256"}, claims(nil)), token.BadSignature, nil},
		{"another curve", sign("ES384", p384, m{"alg": "ES384"}, claims(nil)), token.BadAlgorithm, nil},
		{"unknown kid", sign("RS256", rsaKey(), m{"alg": "RS256", "kid": "r2"}, claims(nil)), token.UnknownKey, nil},
		{"kid is a path", sign("RS256", rsaKey(), m{"alg": "RS256", "kid": "../../dev/null"}, claims(nil)), token.UnknownKey, nil},
		{"kid is SQL", sign("RS256", rsaKey(), m{"alg": "RS256", "kid": "r1' OR '1'='1"}, claims(nil)), token.UnknownKey, nil},
		{"kid with NUL", sign("RS256", rsaKey(), m{"alg": "RS256", "kid": "r1\x00"}, claims(nil)), token.UnknownKey, nil},
		{"kid is long", withHead(m{"kid": strings.Repeat("k", 257)}), token.Malformed, nil},
		{"kid is a number", withHead(m{"kid": 1}), token.Malformed, nil},
		{"kid is null", withHead(m{"kid": nil}), token.Malformed, nil},
		{"kid twice", sign("RS256", rsaKey(), `{"alg":"RS256","kid":"r1","kid":"r1"}`, claims(nil)), token.Malformed, nil},
		{"alg twice", sign("HS256", secret, `{"alg":"none","alg":"HS256"}`, claims(nil)), token.Malformed, nil},
		{"Alg", sign("HS256", secret, `{"Alg":"HS256"}`, claims(nil)), token.BadAlgorithm, nil},
		{"own key in the header", sign("ES256", other, m{"alg": "ES256", "jwk": m{"kty": "EC", "crv": "P-256",
			"x": b64(point[1:33]), "y": b64(point[33:])}}, claims(nil)), token.BadSignature, nil},
		{"crit", withHead(m{"crit": []string{"exp"}}), token.Malformed, nil},
		{"crit and b64", withHead(m{"crit": []string{"b64"}, "b64": false}), token.Malformed, nil},
		{"crit is empty", withHead(m{"crit": []string{}}), token.Malformed, nil},
		{"jku is ignored", withHead(m{"jku": "http://192.0.2.1/keys", "x5u": "http://192.0.2.1/c", "x5c": []string{"AA"}}), "", nil},
		{"logout token", withHead(m{"typ": "logout+jwt"}), token.Malformed, nil},
		{"access token", withHead(m{"typ": "application/at+JWT"}), "", nil},
		{"header nested deep", signedText(b64([]byte(`{"alg":"HS256","x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`)), parts[1]), token.Malformed, nil},

		{"nothing", "", token.Malformed, nil},
		{"a word", "token", token.Malformed, nil},
		{"two parts", parts[0] + "." + parts[1], token.Malformed, nil},
		{"four parts", strings.Join(parts, ".") + ".", token.Malformed, nil},
		{"no signature", parts[0] + "." + parts[1] + ".", token.BadSignature, nil},
		{"half a signature", parts[0] + "." + parts[1] + "." + parts[2][:20], token.BadSignature, nil},
		{"padding", strings.Join(parts, ".") + "=", token.Malformed, nil},
		{"padding in the header", signedText(base64.URLEncoding.EncodeToString([]byte(`{"alg":"HS256" }`)), parts[1]), token.Malformed, nil},
		{"line break in the signature", strings.Join(parts, ".") + "\n", token.Malformed, nil},
		{"line break within", parts[0] + ".\r\n" + parts[1] + "." + parts[2], token.Malformed, nil},
		{"space", " " + strings.Join(parts, "."), token.Malformed, nil},
		{"NUL", strings.Join(parts, ".") + "\x00", token.Malformed, nil},
		{"standard base64", parts[0] + "." + parts[1] + ".+/" + parts[2][2:], token.Malformed, nil},
		{"bits behind the last byte", parts[0] + "." + parts[1] + "." + parts[2][:42] + nextBit(parts[2][42]), token.Malformed, nil},
		{"other claims", parts[0] + "." + b64([]byte(`{`+good+`,"x":1}`)) + "." + parts[2], token.BadSignature, nil},
		{"huge", hs(claims(m{"x": strings.Repeat("x", 4096)})), token.TooLarge, nil},

		{"expired", hs(claims(m{"exp": at(-31 * time.Second)})), token.Expired, nil},
		{"expired within the leeway", hs(claims(m{"exp": at(-20 * time.Second)})), "", nil},
		{"exp is 0", hs(claims(m{"exp": 0})), token.Expired, nil},
		{"exp is negative", hs(claims(m{"exp": -1})), token.BadClaims, nil},
		{"exp is text", hs(claims(m{"exp": fmt.Sprint(at(time.Hour))})), token.BadClaims, nil},
		{"exp is null", hs(`{"sub":"ann","iss":"us","aud":"hub","exp":null}`), token.BadClaims, nil},
		{"exp is beyond float64", hs(`{"sub":"ann","iss":"us","aud":"hub","exp":1e999}`), token.BadClaims, nil},
		{"exp is beyond int64", hs(`{"sub":"ann","iss":"us","aud":"hub","exp":1e30}`), token.BadClaims, nil},
		{"exp is in milliseconds", hs(claims(m{"exp": now.UnixMilli()})), token.BadClaims, nil},
		{"exp has a fraction", hs(claims(m{"exp": float64(at(time.Hour)) + .5})), "", nil},
		{"no exp", hs(claims(m{"exp": nil})), token.BadClaims, nil},
		{"not yet", hs(claims(m{"nbf": at(time.Minute)})), token.NotYet, nil},
		{"not yet, within the leeway", hs(claims(m{"nbf": at(20 * time.Second)})), "", nil},
		{"nbf is text", hs(claims(m{"nbf": "now"})), token.BadClaims, nil},
		{"issued in the future", hs(claims(m{"iat": at(time.Minute)})), token.NotYet, nil},
		{"wrong issuer", hs(claims(m{"iss": "them"})), token.BadIssuer, nil},
		{"no issuer", hs(claims(m{"iss": nil})), token.BadClaims, nil},
		{"issuer is a list", hs(claims(m{"iss": []string{"us"}})), token.BadClaims, nil},
		{"wrong audience", hs(claims(m{"aud": "hub2"})), token.BadAudience, nil},
		{"other audiences", hs(claims(m{"aud": []string{"a", "b"}})), token.BadAudience, nil},
		{"one of the audiences", hs(claims(m{"aud": []string{"a", "hub"}})), "", nil},
		{"no audience", hs(claims(m{"aud": nil})), token.BadClaims, nil},
		{"audience is a number", hs(claims(m{"aud": 1})), token.BadClaims, nil},
		{"audience with a number", hs(claims(m{"aud": []any{"hub", 1}})), token.BadClaims, nil},
		{"no sub", hs(claims(m{"sub": nil})), token.BadClaims, nil},
		{"empty sub", hs(claims(m{"sub": ""})), token.BadClaims, nil},
		{"sub is a number", hs(claims(m{"sub": 7})), token.BadClaims, nil},
		{"sub is a list", hs(claims(m{"sub": []string{"ann"}})), token.BadClaims, nil},
		{"sub with a line break", hs(claims(m{"sub": "ann\n"})), token.BadClaims, nil},
		{"sub with NUL", hs(claims(m{"sub": "ann\x00bob"})), token.BadClaims, nil},
		{"sub with a direction mark", hs(claims(m{"sub": "ann\u202e"})), token.BadClaims, nil},
		{"long sub", hs(claims(m{"sub": strings.Repeat("a", 129)})), token.BadClaims, nil},
		{"sub twice", hs(`{` + good + `,"sub":"bob"}`), token.BadClaims, nil},
		{"sub twice, once escaped", hs(`{` + good + `,"s\u0075b":"bob"}`), token.BadClaims, nil},
		{"SUB", hs(`{"SUB":"bob","iss":"us","aud":"hub","exp":` + fmt.Sprint(at(time.Hour)) + `}`), token.BadClaims, nil},
		{"SUB beside sub", hs(`{` + good + `,"SUB":"bob"}`), "", nil},
		{"twice further down", hs(`{` + good + `,"x":[{"a":1,"a":2}]}`), token.BadClaims, nil},
		{"not UTF-8", hs("{" + good + ",\"x\":\"\xff\"}"), token.BadClaims, nil},
		{"NUL in the JSON", hs("{" + good + ",\"x\":\"\x00\"}"), token.Malformed, nil},
		{"something behind", hs(`{` + good + `}{}`), token.Malformed, nil},
		{"claims are a list", hs(`[]`), token.BadClaims, nil},
		{"claims are null", hs(`null`), token.BadClaims, nil},
		{"claims are empty", hs(``), token.Malformed, nil},
		{"nested deep", hs(`{` + good + `,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), token.BadClaims, nil},
		{"nested just so deep", hs(`{` + good + `,"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`), "", nil},
		{"info is long", hs(claims(m{"info": strings.Repeat("x", 1024)})), token.BadClaims, nil},

		{"rooms is text", hs(claims(m{"rooms": "chat:*"})), token.BadClaims, nil},
		{"rooms is null", hs(`{` + good + `,"rooms":null}`), token.BadClaims, nil},
		{"rooms has text", hs(claims(m{"rooms": []string{"chat:*"}})), token.BadClaims, nil},
		{"rooms without a room", hs(claims(m{"rooms": []m{{"can": []string{"join"}}}})), token.BadClaims, nil},
		{"rooms without can", hs(claims(m{"rooms": []m{{"room": "a"}}})), token.BadClaims, nil},
		{"rooms with more", hs(claims(m{"rooms": []m{{"room": "a", "can": []string{"join"}, "until": 1}}})), token.BadClaims, nil},
		{"can is text", hs(grant("a", "join")), token.BadClaims, nil},
		{"can has a number", hs(grant("a", []any{1})), token.BadClaims, nil},
		{"can has another word", hs(grant("a", []string{"history"})), token.BadClaims, nil},
		{"pattern with a > within", hs(grant("a:>:b", []string{"join"})), token.BadClaims, nil},
		{"pattern with half a segment", hs(grant("a*", []string{"join"})), token.BadClaims, nil},
		{"pattern with an empty segment", hs(grant("a::b", []string{"join"})), token.BadClaims, nil},
		{"pattern with a control character", hs(grant("a\n", []string{"join"})), token.BadClaims, nil},
		{"101 rooms", hs(claims(m{"rooms": strings.Split(strings.Repeat(",", 100), ",")})), token.BadClaims, nil},

		{"room token", hs(roomClaims(nil)), token.WrongUse, nil},
		{"room without use", hs(claims(m{"room": "chat:1"})), token.WrongUse, nil},
		{"use without room", hs(claims(m{"use": "room"})), token.WrongUse, nil},
		{"another use", hs(claims(m{"use": "mail"})), token.WrongUse, nil},
		{"use is a list", hs(claims(m{"use": []string{"session"}})), token.BadClaims, nil},
		{"use of a session", hs(claims(m{"use": "session"})), "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			by := tc.v
			if by == nil {
				by = v
			}
			_, err := by.Verify(t.Context(), tc.token)
			if got := reasonOf(t, err); got != tc.want {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if err != nil {
				silent(t, err.Error(), tc.token)
			}
		})
	}
}

// silent fails if text has a piece of the token, or of what is in it.
func silent(t *testing.T, text, tok string) {
	t.Helper()
	for part := range strings.SplitSeq(tok, ".") {
		if len(part) >= 16 && strings.Contains(text, part[:16]) {
			t.Errorf("%q has a piece of the token", text)
		}
	}
	for _, secret := range []string{string(secret), "0123456789abcdef", "bob", "them", "dev/null", "until"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q has %q", text, secret)
		}
	}
}

// nextBit returns a letter of base64url that differs from c in its last bit alone.
func nextBit(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)^1:][:1]
}

func TestRoomTokens(t *testing.T) {
	v := newVerifier(t, secrets())
	for _, tc := range []struct {
		name   string
		claims any
		want   token.Reason
	}{
		{"good", roomClaims(nil), ""},
		{"for anybody", roomClaims(m{"sub": nil}), ""},
		{"to publish", roomClaims(m{"can": []string{"publish"}}), ""},
		{"session token", claims(nil), token.WrongUse},
		{"session token with rooms", claims(m{"rooms": []m{{"room": "chat:1", "can": []string{"join"}}}}), token.WrongUse},
		{"session token with room", claims(m{"room": "chat:1"}), token.WrongUse},
		{"another room", roomClaims(m{"room": "chat:2"}), token.WrongRoom},
		{"wildcard", roomClaims(m{"room": "chat:*"}), token.BadClaims},
		{"room is a list", roomClaims(m{"room": []string{"chat:1"}}), token.BadClaims},
		{"room is empty", roomClaims(m{"room": ""}), token.BadClaims},
		{"another user", roomClaims(m{"sub": "bob"}), token.WrongUser},
		{"empty user", roomClaims(m{"sub": ""}), token.BadClaims},
		{"expired", roomClaims(m{"exp": 1}), token.Expired},
		{"no exp", roomClaims(m{"exp": nil}), token.BadClaims},
		{"wrong audience", roomClaims(m{"aud": "x"}), token.BadAudience},
		{"wrong issuer", roomClaims(m{"iss": "x"}), token.BadIssuer},
		{"to watch", roomClaims(m{"can": []string{"watch"}}), token.BadClaims},
		{"can is text", roomClaims(m{"can": "join"}), token.BadClaims},
		{"rooms", roomClaims(m{"rooms": []m{}}), token.BadClaims},
	} {
		_, err := v.VerifyRoom(t.Context(), hs(tc.claims), "ann", "chat:1")
		if got := reasonOf(t, err); got != tc.want {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := v.VerifyRoom(t.Context(), "forged", "ann", "chat:1"); reasonOf(t, err) != token.Malformed {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(p256))})
	key := func(k token.Key) token.Options { return token.Options{Keys: []token.Key{k}} }
	for _, tc := range []struct {
		name string
		o    token.Options
		want string // in the error
	}{
		{"empty key", key(token.Key{}), "Secret or a PEM"},
		{"both", key(token.Key{Secret: secret, PEM: publicPEM(p256)}), "Secret or a PEM"},
		{"short secret", key(token.Key{Secret: secret[:31]}), "has 31 bytes; it must have 32"},
		{"PEM as secret", key(token.Key{Secret: publicPEM(p256)}), "what is public is no secret"},
		{"private key", key(token.Key{PEM: private}), "give the public one"},
		{"certificate", key(token.Key{PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"})}), "something else"},
		{"no PEM", key(token.Key{PEM: []byte("x")}), "no public key"},
		{"broken PEM", key(token.Key{PEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})}), "cannot be read"},
		{"small RSA", key(token.Key{PEM: publicPEM(small)}), "1024 bits"},
		{"P-224", key(token.Key{PEM: publicPEM(p224)}), "P-256"},
		{"long ID", key(token.Key{ID: strings.Repeat("x", 300), Secret: secret}), "256"},
		{"many keys", key(token.Key{PEM: []byte(strings.Repeat(string(publicPEM(p256)), 17))}), "more than 16"},
		{"bad room", token.Options{Keys: []token.Key{{Secret: secret}}, Rooms: []token.Grant{{Room: "a*", Can: []token.Permission{token.Join}}}}, "Options.Rooms"},
		{"negative", token.Options{Keys: []token.Key{{Secret: secret}}, MaxToken: -1}, "negative"},
		{"http", token.Options{JWKS: "http://issuer.example/keys"}, "https"},
		{"file", token.Options{JWKS: "file:///etc/keys"}, "https"},
		{"no host", token.Options{JWKS: "https:///keys"}, "https"},
		{"password", token.Options{JWKS: "https://a:hunter2@issuer.example/"}, "without a password"},
		{"almost localhost", token.Options{JWKS: "http://localhost.example/keys"}, "https"},
	} {
		v, err := token.New(tc.o)
		if err == nil {
			v.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "0123") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}

	// A secret is for the algorithms that it is long enough for.
	for n, algs := range map[int]int{32: 1, 47: 1, 48: 2, 63: 2, 64: 3} {
		v := newVerifier(t, key(token.Key{Secret: secret[:n]}))
		for i, alg := range []string{"HS256", "HS384", "HS512"} {
			_, err := v.Verify(t.Context(), sign(alg, secret[:n], m{"alg": alg}, claims(nil)))
			if (err == nil) != (i < algs) {
				t.Errorf("%s with %d bytes: %v", alg, n, err)
			}
		}
	}
}

// TestLooser has what the options allow that is refused otherwise, and the other way round.
func TestLooser(t *testing.T) {
	verify := func(o token.Options, body any) token.Reason {
		t.Helper()
		o.Keys = []token.Key{{Secret: secret}}
		v, err := token.New(o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), hs(body))
		return reasonOf(t, err)
	}
	us := token.Options{Issuer: "us", Audience: "hub"}
	eternal, exact, anywhere := us, us, us
	eternal.NoExpiry, exact.Leeway, anywhere.Issuer = true, -1, ""
	for _, tc := range []struct {
		name      string
		got, want token.Reason
	}{
		{"no exp", verify(eternal, claims(m{"exp": nil})), ""},
		{"exp in the past", verify(eternal, claims(m{"exp": 1})), token.Expired},
		{"exp 0", verify(eternal, claims(m{"exp": 0})), token.Expired},
		{"no leeway", verify(exact, claims(m{"exp": time.Now().Add(-time.Second).Unix()})), token.Expired},
		{"any issuer", verify(anywhere, claims(m{"iss": "them"})), ""},
		{"for somebody", verify(token.Options{}, claims(nil)), token.BadAudience},
		{"for nobody", verify(token.Options{}, claims(m{"aud": nil})), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, tc.got, tc.want)
		}
	}

	rooms := []token.Grant{{Room: "lobby", Can: []token.Permission{token.Join}}}
	o := secrets()
	o.Rooms, o.Strangers = rooms, true
	v := newVerifier(t, o)
	id, err := v.Authenticate(context.Background(), live.Credentials{})
	if err != nil || id.User != "" || !id.Claims.(*token.Claims).MayJoin("lobby") {
		t.Errorf("a stranger: %+v, %v", id, err)
	}
	if _, err := v.Authenticate(context.Background(), live.Credentials{Token: "forged"}); reasonOf(t, err) != token.Malformed {
		t.Errorf("a stranger with a bad token: %v", err)
	}
	if c, err := v.Verify(t.Context(), hs(claims(nil))); err != nil || !c.MayJoin("lobby") {
		t.Errorf("without rooms: %v", err)
	}
	if c, err := v.Verify(t.Context(), hs(claims(m{"rooms": []m{}}))); err != nil || c.MayJoin("lobby") {
		t.Errorf("with no rooms: %v", err)
	}
}
