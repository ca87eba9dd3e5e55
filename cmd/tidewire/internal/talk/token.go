package talk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tidewire/tidewire/client"
)

// Token is where a hub's token comes from: client.Options.Token.
type Token func(ctx context.Context, why client.Reason) (string, error)

// FixedToken is one that no other will follow: once the hub does not take it any more, that is the end.
func FixedToken(token string) Token {
	return func(_ context.Context, why client.Reason) (string, error) {
		if why == client.Refused {
			return "", Final{errors.New("the hub does not take the token any more (--token-file can be renewed)")}
		}
		return token, nil
	}
}

// maxToken bounds a file with a token: twice of what a hub takes.
const maxToken = 16 << 10

// TokenFile is a file that is read each time. A pipe that nobody writes to is waited for until ctx ends, and what
// waits then stays until the process ends.
func TokenFile(name string) Token {
	type result struct {
		token string
		err   error
	}
	return func(ctx context.Context, _ client.Reason) (string, error) {
		done := make(chan result, 1)
		go func() {
			token, err := readToken(name)
			done <- result{token, err}
		}()
		select {
		case r := <-done:
			return r.token, r.err
		case <-ctx.Done():
			return "", fmt.Errorf("it waited for %s: %w", name, ctx.Err())
		}
	}
}

func readToken(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxToken+1))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	switch {
	case token == "":
		return "", fmt.Errorf("%s is empty", name)
	case len(data) > maxToken:
		return "", fmt.Errorf("%s is longer than a token", name)
	}
	return token, nil
}
