package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/token"
)

// A roomRule is one of --rooms: what holds for the rooms that a pattern matches.
type roomRule struct {
	pattern string
	options live.RoomOptions
	allow   []token.Permission // to who is let in, where no token says otherwise
}

// parseRoomRule reads PATTERN OPTION..., as --help has the options.
func parseRoomRule(text string) (roomRule, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return roomRule{}, errors.New("it is empty; it must begin with a pattern such as chat:*")
	}
	rule := roomRule{pattern: words[0]}
	if err := protocol.CheckRoom(rule.pattern); err != nil {
		return roomRule{}, fmt.Errorf("%q is no pattern: %s", rule.pattern, err.Message)
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		name, value, given := strings.Cut(word, "=")
		if seen[name] {
			return roomRule{}, fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		if err := rule.set(name, value, given); err != nil {
			return roomRule{}, err
		}
	}
	return rule, rule.check()
}

// set takes one option.
func (r *roomRule) set(name, value string, given bool) error {
	o := &r.options
	numbers := map[string]*int{
		"history": &o.History, "presence-max": &o.PresenceMax, "max-members": &o.MaxMembers, "max-keys": &o.MaxKeys, "rate": &o.Rate, "burst": &o.Burst,
	}
	switch name {
	case "history", "presence-max", "max-members", "max-keys", "rate", "burst":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 1<<30 {
			return fmt.Errorf("%s=%s must be a number from 1 on", name, value)
		}
		*numbers[name] = n
	case "history-age":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("%s=%s must be a duration such as 24h", name, value)
		}
		o.HistoryAge = d
	case "presence":
		if given {
			return errors.New("presence has no value: leave it out, or write presence alone")
		}
		o.Presence = true
	case "slow":
		policies := map[string]live.Policy{"catch-up": live.CatchUp, "disconnect": live.Disconnect, "drop-oldest": live.DropOldest, "latest": live.Latest}
		if o.Slow = policies[value]; o.Slow == 0 {
			return fmt.Errorf("slow=%s must be catch-up, disconnect, drop-oldest or latest", value)
		}
	case "allow":
		for _, one := range strings.Split(value, ",") {
			p := token.Permission(one)
			if !slices.Contains([]token.Permission{token.Join, token.Publish, token.Watch}, p) {
				return fmt.Errorf("allow=%s must be some of join, publish and watch, separated by commas", value)
			}
			r.allow = append(r.allow, p)
		}
	default:
		return fmt.Errorf("there is no option %s (see tidewire serve --help)", name)
	}
	return nil
}

// check looks for what makes no sense together: live panics where its caller's options do.
func (r *roomRule) check() error {
	o := &r.options
	switch {
	case o.HistoryAge > 0 && o.History == 0:
		return errors.New("history-age goes with history")
	case o.PresenceMax > 0 && !o.Presence:
		return errors.New("presence-max goes with presence")
	case o.Slow == live.CatchUp && o.History == 0:
		return errors.New("slow=catch-up needs history")
	case o.Slow == live.Latest && o.History > 0:
		return errors.New("slow=latest is for rooms without history")
	case o.MaxKeys > 0 && o.Slow != live.Latest:
		return errors.New("max-keys goes with slow=latest")
	case o.Burst > 0 && o.Rate == 0:
		return errors.New("burst goes with rate")
	}
	return nil
}

// parseRoomRules reads all of --rooms.
func parseRoomRules(texts []string) (rules []roomRule, err error) {
	for _, text := range texts {
		rule, err := parseRoomRule(text)
		if err != nil {
			return nil, fmt.Errorf("--rooms %q: %w", text, err)
		}
		for _, other := range rules {
			switch {
			case other.pattern == rule.pattern:
				return nil, fmt.Errorf("--rooms has %s twice", rule.pattern)
			case protocol.Overlap(other.pattern, rule.pattern) && !protocol.Covers(other.pattern, rule.pattern) && !protocol.Covers(rule.pattern, other.pattern):
				return nil, fmt.Errorf("--rooms: some rooms match both %s and %s, and neither covers the other", other.pattern, rule.pattern)
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}
