package token

// Reason says in a word or two why a token was refused. There are few of them, so that they can be counted.
type Reason string

// The reasons.
const (
	Missing      Reason = "no token"
	TooLarge     Reason = "too large"
	Malformed    Reason = "malformed"
	BadAlgorithm Reason = "algorithm" // that no key of ours has
	UnknownKey   Reason = "unknown key"
	BadSignature Reason = "signature"
	Expired      Reason = "expired"
	NotYet       Reason = "not yet valid" // by nbf or iat
	BadIssuer    Reason = "issuer"
	BadAudience  Reason = "audience"
	BadClaims    Reason = "claims" // one is missing, or is not what it has to be
	WrongUse     Reason = "use"    // a room token as a session's, or the other way round
	WrongRoom    Reason = "room"   // a token for another room
	WrongUser    Reason = "user"   // a room token for another user
)

// Refusal is the error of a token that is not good. It is for logs: a client is not told.
type Refusal struct {
	Reason Reason
	Detail string // "" if the reason says it all; nothing that came from the token
}

// Error gives the reason and the detail.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return "token: " + string(r.Reason)
	}
	return "token: " + string(r.Reason) + ": " + r.Detail
}

func refuse(why Reason, detail string) error { return &Refusal{why, detail} }
