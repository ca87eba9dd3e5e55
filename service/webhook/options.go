package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/service/token"
)

// Event is what the application is asked or told.
type Event string

// The events.
const (
	Connect    Event = "connect"    // who is it? By Webhook.Authenticate
	Join       Event = "join"       // may it be in that room? By Webhook.CanJoin
	Publish    Event = "publish"    // may it publish that, or what instead? By Webhook.Publish
	Disconnect Event = "disconnect" // it has gone. By Webhook.Disconnected
)

// Policy says what becomes of a client's wish while the application is down: it cannot be reached, is too slow, is asked too much, or
// gives answers that are not understood.
type Policy byte

const (
	// Refuse tells the client "unavailable", and when to come again.
	Refuse Policy = iota
	// Allow lets clients join and publish as the claims of their token say, and in whom Authenticate's next has named. Others are
	// refused.
	Allow
)

// Options configures a Webhook. The zero value of each field is its default. URL, Secrets and Events must be given.
type Options struct {
	// URL is where all requests go: https, or http on a loopback address, without a user and a password. Redirects are not followed.
	URL string

	// AllowHTTP lets URL be http on any address: on a network that you trust with tokens and messages.
	AllowHTTP bool

	// Secrets sign the requests, each with all of them: 1 to 8, as NewSecret makes them. To replace one, give both here, then the
	// new one to the application, and then take the old one away.
	Secrets []string

	// Events are those that the application wants to have. The methods of the others do without it.
	Events []Event

	// Headers are those of the handshake that Connect brings, 32 at most. nil means Cookie and Authorization; an empty list none.
	Headers []string

	// Verifier has the claims decide that are there without the application: it gives its Options.Rooms to those whom the application
	// lets in without "rooms", and decides about joining and publishing under Allow, and where Events has no Join. nil means
	// one without keys and Rooms. It stays the caller's to close.
	Verifier *token.Verifier

	// WhenDown is what becomes of clients while the application is down. 0 means Refuse.
	WhenDown Policy

	// Timeout bounds a question with all its attempts, and each attempt to tell something. 0 means 5 s. Connect's must be below
	// live.Limits.IdentityTimeout.
	Timeout time.Duration

	// Retries is how often a question is asked again that was not answered, or with a status of 500 or above, within Timeout. 0 means
	// 2; negative means none.
	Retries int

	// UnderWay bounds the questions under way, and with them the connections to the application. Past it WhenDown decides at once. 0
	// means 256.
	UnderWay int

	// Queue bounds what is still to be told (Disconnect); past it, what is new is dropped. 0 means 4096.
	Queue int

	// Transport carries the requests. nil means one of the Webhook's own, with a bound for connections and for heads. It follows the
	// proxies of the environment.
	Transport http.RoundTripper

	// Logger hears why the application counts as down and what was dropped, each reason once in 10 s. nil means slog.Default().
	Logger *slog.Logger
}

// The bounds of options.
const (
	maxSecrets = 8
	maxHeaders = 32

	headerLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
)

func (o Options) withDefaults() (Options, error) {
	bad := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("webhook: Options."+format, args...)
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && (o.AllowHTTP || loopback(u.Hostname()))) {
		return bad("URL is no URL with https, or with http and a loopback address, and without a password (see AllowHTTP)")
	}
	if len(o.Events) == 0 {
		return bad("Events is empty")
	}
	for _, e := range o.Events {
		if e != Connect && e != Join && e != Publish && e != Disconnect {
			return bad("Events: there is no event %q", e)
		}
	}
	if o.Headers == nil {
		o.Headers = []string{"Cookie", "Authorization"}
	}
	if len(o.Headers) > maxHeaders {
		return bad("Headers has more than %d names", maxHeaders)
	}
	for _, name := range o.Headers {
		if name == "" || strings.Trim(name, headerLetters) != "" {
			return bad("Headers: %q is no name of a header", name)
		}
	}
	if o.WhenDown > Allow {
		return bad("WhenDown: there is no such Policy")
	}
	if o.Timeout < 0 || o.UnderWay < 0 || o.Queue < 0 {
		return o, errors.New("webhook: a negative number in the Options")
	}
	if o.Verifier == nil {
		if o.Verifier, err = token.New(token.Options{Logger: o.Logger}); err != nil { // no goroutine: nothing to close
			return o, err
		}
	}
	o.Events, o.Headers = slices.Clone(o.Events), slices.Clone(o.Headers)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	o.Retries = max(0, cmp.Or(o.Retries, 2))
	o.UnderWay = cmp.Or(o.UnderWay, 256)
	o.Queue = cmp.Or(o.Queue, 4096)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
