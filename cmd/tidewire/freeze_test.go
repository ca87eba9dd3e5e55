//go:build unix

package main

import (
	"syscall"
	"testing"
)

// TestFrozenServer stops the server in its tracks, as a hung machine would: the
// connections stay open and nothing comes. The page notices by the missing
// heartbeat, and what it sent into the void it sends again, to be shown once.
func TestFrozenServer(t *testing.T) {
	server := start(t, build(t), "127.0.0.1:0")
	chromium := browser(t)
	ada := open(t, chromium, "Ada's tab", server.url)
	grace := open(t, chromium, "Grace's tab", server.url)
	ada.rename("Ada")
	grace.rename("Grace")
	ada.here("Ada (you),Grace")
	grace.here("Ada,Grace (you)")

	if err := server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ada.say("into the ice")
	ada.until(`document.querySelector("#chat [data-pending] .bubble").textContent === "into the ice"`)
	for _, p := range []*tab{ada, grace} {
		p.until(`document.querySelector("#chat .log").textContent.includes("no heartbeat from the server (1006)")`)
		p.until(`document.querySelector("#chat .connection").dataset.state !== "open"`)
	}
	if err := server.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ada.here("Ada (you),Grace")
	grace.here("Ada,Grace (you)")
	ada.sees("", "into the ice")
	ada.say("and out of it")
	for _, text := range []string{"into the ice", "and out of it"} {
		grace.sees("Ada", text) // once, whether she was away when it came or not
	}
}
