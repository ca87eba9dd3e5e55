package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/service/webhook"
)

// webhookFlags say which application is asked about clients, and what.
type webhookFlags struct {
	WebhookURL        string        `name:"webhook-url" help:"Ask and tell an application about clients by signed POSTs to this URL: https, or http on a loopback address." placeholder:"URL" secret:"urls"`
	WebhookSecretFile string        `help:"The secrets that sign these, one in each line, each as tidewire token generate-key --alg webhook makes it." placeholder:"FILE"`
	WebhookEvents     []string      `help:"What the application is asked and told: connect (who is it?), join, publish, disconnect." placeholder:"EVENT"`
	WebhookHeaders    []string      `help:"Which headers of a client's handshake it is told." default:"Cookie,Authorization" placeholder:"NAME"`
	WebhookTimeout    time.Duration `help:"How long a question may take, with all attempts." default:"5s"`
	WebhookWhenDown   string        `help:"What clients may do while the application gives no answer: ${enum}. allow lets them join and publish as their token and --rooms say." enum:"refuse,allow" default:"refuse"`
	WebhookAllowHTTP  bool          `name:"webhook-allow-http" help:"Let --webhook-url be http on any address: on a network that you trust with tokens and messages."`
}

// asks reports whether the application hears of an event.
func (w *webhookFlags) asks(e webhook.Event) bool {
	return w.WebhookURL != "" && slices.Contains(w.WebhookEvents, string(e))
}

func (w *webhookFlags) validate(rooms bool) error {
	given := w.WebhookSecretFile != "" || len(w.WebhookEvents) > 0 || w.WebhookAllowHTTP
	switch {
	case w.WebhookURL == "" && given:
		return errors.New("the other --webhook flags go with --webhook-url")
	case w.WebhookURL == "":
		return nil
	case !rooms:
		return errors.New("--webhook-url goes with --rooms")
	case w.WebhookSecretFile == "":
		return errors.New("--webhook-url needs --webhook-secret-file: the application must know that it is asked by this server")
	case len(w.WebhookEvents) == 0:
		return errors.New("--webhook-url needs --webhook-events: some of connect, join, publish and disconnect")
	case w.WebhookTimeout <= 0 || w.WebhookTimeout >= 10*time.Second: // live.Limits.IdentityTimeout
		return fmt.Errorf("--webhook-timeout is %v; it must be less than 10s", w.WebhookTimeout)
	}
	for _, e := range w.WebhookEvents {
		if !slices.Contains([]webhook.Event{webhook.Connect, webhook.Join, webhook.Publish, webhook.Disconnect}, webhook.Event(e)) {
			return fmt.Errorf("--webhook-events has %q; each must be connect, join, publish or disconnect", e)
		}
	}
	return nil
}

// open returns what asks, or nil where nobody is asked.
func (w *webhookFlags) open(ctx context.Context, v *token.Verifier, log *slog.Logger) (*webhook.Webhook, error) {
	if w.WebhookURL == "" {
		return nil, nil
	}
	secrets, err := readKeys(ctx, "--webhook-secret-file", w.WebhookSecretFile)
	if err != nil {
		return nil, err
	}
	o := webhook.Options{
		URL: w.WebhookURL, AllowHTTP: w.WebhookAllowHTTP, Secrets: secrets, Headers: w.WebhookHeaders, Verifier: v, Timeout: w.WebhookTimeout, Logger: log,
	}
	if w.WebhookWhenDown == "allow" {
		o.WhenDown = webhook.Allow
	}
	for _, e := range w.WebhookEvents {
		o.Events = append(o.Events, webhook.Event(e))
	}
	hook, err := webhook.New(o)
	if err != nil {
		return nil, fmt.Errorf("--webhook-url: %w", err)
	}
	return hook, nil
}
