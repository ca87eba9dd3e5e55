package configfile

import (
	"strings"

	"github.com/alecthomas/kong"
)

// masked stands for a secret where it would be shown.
const masked = "xxxxx"

// mask returns the flag's value as it may be shown. The flag's tag says what is secret in it: secret:"urls" what
// stands before the host in each of several URLs, but for the name of a user with a password; any other
// secret tag, all of it.
func mask(flag *kong.Flag, value string) string {
	switch {
	case value == "" || !flag.Tag.Has("secret"):
		return value
	case flag.Tag.Get("secret") == "urls":
		return maskURLs(value)
	}
	return masked
}

// maskURLs masks the passwords, and the tokens that stand alone. It does not parse: a URL that is wrong must
// not be shown whole for that.
func maskURLs(list string) string {
	urls := strings.Split(list, ",")
	for i, u := range urls {
		scheme, rest, ok := strings.Cut(u, "://")
		if ok {
			scheme += "://"
		} else {
			scheme, rest = "", u
		}
		at := strings.LastIndexByte(rest, '@')
		if at < 0 {
			continue
		}
		who := masked
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			who = user + ":" + masked
		}
		urls[i] = scheme + who + rest[at:]
	}
	return strings.Join(urls, ",")
}
