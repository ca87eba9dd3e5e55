package main

import (
	"os/exec"
	"testing"
)

// TestConnectSuspends has a person press Ctrl-Z: the shell has its terminal as it was, until fg. Where no shell could have it go on, the key changes nothing.
func TestConnectSuspends(t *testing.T) {
	peers := connectPeers(t)
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	for name, shell := range map[string]bool{"in a shell": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			s := inTerminal(t, "connect", "ws://"+peers+"/echo")
			if shell {
				s.cmd.Path = bash
				s.cmd.Args = append([]string{"bash", "-c", `set -m; "$0" "$@"; echo "it is stopped: $?"; read -r line; fg; echo "it has ended: $?"`}, s.cmd.Args...)
			}
			before := s.state()
			if err := s.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s.shows("connected to ")
			s.press("begun")
			s.shows("begun")
			s.press("\x1a")
			if shell {
				s.shows("it is stopped: 148") // 128 + SIGTSTP
				s.givesBack(before)
				s.press("\n")
			}
			s.shows("\x1b[?2004h") // it has the terminal again
			s.shows("begun")
			s.press(" here\r")
			s.shows("begun here") // as it is sent
			s.shows("begun here") // and comes back
			s.press("\x03")
			if shell {
				s.shows("it has ended: 0")
			}
			s.ends(before, 0)
		})
	}
}
