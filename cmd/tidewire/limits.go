package main

import (
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// limitFlags bound what the clients of --rooms may do. 0 is live's default, which the help names.
type limitFlags struct {
	Origins            []string `help:"Pages of which sites may connect, beside this server's own: patterns such as https://*.example.com." placeholder:"PATTERN"`
	MaxMessage         int64    `help:"Bytes of a client's message (65536)." placeholder:"N"`
	MaxSessions        int      `help:"Sessions of this node (1000000)." placeholder:"N"`
	MaxAddressSessions int      `help:"Sessions of an address (10000)." placeholder:"N"`
	MaxUserSessions    int      `help:"Sessions of a user (10000)." placeholder:"N"`
	MaxSessionRate     int      `help:"Messages of a session a second (100, and 200 at once)." placeholder:"N"`
	MaxAddressRate     int      `help:"Messages of an address a second (10000, and twice that at once)." placeholder:"N"`
	MaxUserRate        int      `help:"Messages of a user a second (10000, and twice that at once)." placeholder:"N"`
	MaxSessionRooms    int      `help:"Rooms of a session (128)." placeholder:"N"`
}

func (l *limitFlags) validate(rooms bool) error {
	given := len(l.Origins) > 0
	for name, n := range map[string]int{
		"--max-sessions": l.MaxSessions, "--max-address-sessions": l.MaxAddressSessions, "--max-user-sessions": l.MaxUserSessions, "--max-session-rate": l.MaxSessionRate,
		"--max-address-rate": l.MaxAddressRate, "--max-user-rate": l.MaxUserRate, "--max-session-rooms": l.MaxSessionRooms, "--max-message": int(l.MaxMessage),
	} {
		if n < 0 || n > 1<<30 {
			return fmt.Errorf("%s is %d; it must be from 1 to %d", name, n, 1<<30)
		}
		given = given || n != 0
	}
	if given && !rooms {
		return errors.New("--origins and the --max flags go with --rooms: the demo pages have limits of their own")
	}
	return nil
}

// apply sets them in a hub's options.
func (l *limitFlags) apply(o *live.Options) {
	o.Accept = ws.AcceptOptions{Origins: l.Origins, ConnOptions: ws.ConnOptions{MaxMessage: l.MaxMessage}}
	o.Limits = live.Limits{
		Sessions: l.MaxSessions, AddressSessions: l.MaxAddressSessions, UserSessions: l.MaxUserSessions, Rooms: l.MaxSessionRooms,
		Rate: l.MaxSessionRate, Burst: 2 * l.MaxSessionRate,
		AddressRate: l.MaxAddressRate, AddressBurst: 2 * l.MaxAddressRate,
		UserRate: l.MaxUserRate, UserBurst: 2 * l.MaxUserRate,
	}
}
