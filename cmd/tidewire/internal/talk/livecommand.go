package talk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
)

// LiveCommands are those of a connection that Dialer.Live has opened, by their names.
var LiveCommands = []Command{
	{Name: "/call", Usage: "TYPE [DATA]", Help: "ask the hub, and show its answer", live: call},
	{Name: "/cast", Usage: "TYPE [DATA]", Help: "publish what is not stored", live: cast},
	{Name: "/help", Help: "show this", run: help},
	{Name: "/history", Usage: "[COUNT [BEFORE]]", Help: "show stored messages, before number BEFORE", live: history},
	{Name: "/in", Usage: "[ROOM]", Help: "speak to a room, entered or not; to none", live: speakTo},
	{Name: "/join", Usage: "ROOM [COUNT [TOKENFILE]]", Help: "enter and speak to ROOM; show its last COUNT", live: joinRoom},
	{Name: "/leave", Usage: "[ROOM]", Help: "leave it", live: leaveRoom},
	{Name: "/ping", Help: "measure a round trip", run: ping},
	{Name: "/rooms", Help: "show which rooms were entered", live: rooms},
	{Name: "/send", Usage: "TYPE [DATA]", Help: "send DATA, JSON or text, to the room, or hub", live: send},
	{Name: "/set", Usage: "KEY TYPE [DATA]", Help: "publish the value of a key", live: set},
	{Name: "/who", Usage: "[ROOM]", Help: "show who is there", live: who},
}

// word cuts the first word off.
func word(text string) (first, rest string) {
	first, rest, _ = strings.Cut(strings.TrimSpace(text), " ")
	return first, strings.TrimSpace(rest)
}

// mistaken is a mistake that was found before the hub could.
func mistaken(e *protocol.Error) error { return badInput{errors.New(e.Message)} }

func usage(line string) error { return mistake("usage: %s", line) }

// parseCount is how many stored messages a command asks for that is used as line says; "" is 0.
func parseCount(text, line string) (int, error) {
	n, err := strconv.ParseUint(cmp.Or(text, "0"), 10, 31)
	switch {
	case err != nil:
		return 0, usage(line)
	case n > protocol.MaxPage:
		return 0, mistake("a hub tells %d messages at once and no more: /history COUNT BEFORE shows those before", protocol.MaxPage)
	}
	return int(n), nil
}

func joinRoom(ctx context.Context, p *live, args string) error {
	name, rest := word(args)
	count, file := word(rest)
	const line = "/join ROOM [COUNT [TOKENFILE]]"
	if name == "" {
		return usage(line)
	}
	last, err := parseCount(count, line)
	if err != nil {
		return err
	}
	if e := protocol.CheckRoom(name); e != nil {
		return mistaken(e)
	}
	o := client.RoomOptions{Last: last, Presence: true}
	if file != "" {
		read := TokenFile(file)
		first, err := read(ctx, client.Hello)
		if err != nil {
			return badInput{err}
		}
		o.Token = func(ctx context.Context) (string, error) {
			token := first
			if first = ""; token != "" {
				return token, nil
			}
			return read(ctx, client.Hello)
		}
	}
	return p.join(ctx, name, &o)
}

// roomOr is the room that is named, or the one that is spoken to.
func (p *live) roomOr(args string) (string, error) {
	name, rest := word(args)
	switch {
	case rest != "":
		return "", mistake("that is more than the name of a room")
	case name != "":
		return name, nil
	case p.room == "":
		return "", mistake("of which room? /join ROOM enters one, /in ROOM speaks to it")
	}
	return p.room, nil
}

func leaveRoom(ctx context.Context, p *live, args string) error {
	name, err := p.roomOr(args)
	if err != nil {
		return err
	}
	return p.leave(ctx, name)
}

func speakTo(_ context.Context, p *live, args string) error {
	name, rest := word(args)
	switch {
	case rest != "":
		return usage("/in [ROOM]")
	case protocol.IsWildcard(name):
		return mistake("a wildcard can be joined, not spoken to")
	}
	if e := protocol.CheckRoom(name); e != nil && name != "" {
		return mistaken(e)
	}
	p.room = name
	return nil
}

func send(ctx context.Context, p *live, args string) error {
	typ, data := word(args)
	switch {
	case typ == "":
		return usage("/send TYPE [DATA]")
	case p.room == "":
		_, err := p.ask(ctx, typ, data)
		if err == nil {
			p.tell(&event{Event: "sent", Type: typ})
		}
		return err
	}
	return p.publish(ctx, typ, data)
}

func set(ctx context.Context, p *live, args string) error {
	key, rest := word(args)
	typ, data := word(rest)
	if typ == "" {
		return usage("/set KEY TYPE [DATA]")
	}
	if e := protocol.CheckKey(key); e != nil {
		return mistaken(e)
	}
	return p.say(ctx, typ, data, func(r *client.Room, data json.RawMessage) (client.Position, error) { return r.Set(ctx, key, typ, data) })
}

func cast(ctx context.Context, p *live, args string) error {
	typ, data := word(args)
	if typ == "" {
		return usage("/cast TYPE [DATA]")
	}
	return p.say(ctx, typ, data, func(r *client.Room, data json.RawMessage) (client.Position, error) {
		return client.Position{}, r.Cast(typ, data)
	})
}

// ask calls the hub.
func (p *live) ask(ctx context.Context, typ, text string) (json.RawMessage, error) {
	data, err := payload(typ, text)
	if err != nil {
		return nil, err
	}
	return client.Call[json.RawMessage, json.RawMessage](ctx, p.client, typ, data)
}

func call(ctx context.Context, p *live, args string) error {
	typ, data := word(args)
	if typ == "" {
		return usage("/call TYPE [DATA]")
	}
	answer, err := p.ask(ctx, typ, data)
	if err != nil {
		return err
	}
	p.tell(&event{Event: "answer", Type: typ, Data: answer})
	return nil
}

func who(ctx context.Context, p *live, args string) error {
	name, err := p.roomOr(args)
	if err != nil {
		return err
	}
	return p.who(ctx, name)
}

func history(ctx context.Context, p *live, args string) error {
	name, err := p.roomOr("")
	if err != nil {
		return err
	}
	count, before := word(args)
	const line = "/history [COUNT [BEFORE]]"
	limit, err := parseCount(count, line)
	if err != nil {
		return err
	}
	from, err := strconv.ParseUint(cmp.Or(before, "0"), 10, 64)
	if err != nil {
		return usage(line)
	}
	return p.history(ctx, name, limit, from)
}

func rooms(_ context.Context, p *live, _ string) error {
	p.dialer.Note("entered: %s; spoken to: %s", cmp.Or(strings.Join(p.names(), ", "), "none"), cmp.Or(p.room, "none"))
	return nil
}
