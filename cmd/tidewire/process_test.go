//go:build unix

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestProcess is the main job on the real binary: two tabs chat; the server is killed and comes back, hangs, and is told to
// stop; and each time both tabs go on by themselves.
func TestProcess(t *testing.T) {
	t.Parallel()
	binary := build(t)
	server := start(t, binary, "127.0.0.1:0")
	chromium := browser(t)
	ada := open(t, chromium, "Ada's tab", server.url+"chat/")
	grace := open(t, chromium, "Grace's tab", server.url+"chat/")
	tabs := []*tab{ada, grace}
	ada.rename("Ada")
	grace.rename("Grace")
	together := func() {
		t.Helper()
		for _, p := range tabs {
			p.here("Ada,Grace")
		}
	}
	together()
	// If this is gone, the page was loaded anew.
	for _, p := range tabs {
		p.run("window.sameAsBefore = true")
	}
	said := []string{}
	chat := func(round string) {
		t.Helper()
		ada.say("hello " + round)
		said = append(said, "Ada: hello "+round)
		grace.shows(strings.Join(said, "|"))
		grace.say("<b>and back</b> " + round)
		said = append(said, "You: <b>and back</b> "+round)
		grace.shows(strings.Join(said, "|"))
		ada.shows(strings.NewReplacer("Ada:", "You:", "You:", "Grace:").Replace(strings.Join(said, "|")))
	}
	chat("at first")

	// Killed, it keeps nothing, and the pages say so. What is typed meanwhile is not lost.
	server.kill()
	for _, p := range tabs {
		p.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
	}
	ada.say("in the dark")
	ada.waiting("in the dark")
	server = start(t, binary, strings.Trim(strings.TrimPrefix(server.url, "http:"), "/"))
	said = append(said, "Ada: in the dark")
	together()
	chat("after a crash")
	for _, p := range tabs {
		p.until(`document.querySelectorAll(".event").length === 1 && document.querySelector(".event").textContent.includes("the server has started anew")`)
	}

	// Frozen, it keeps its connections and says nothing. Who asks, as a page does that is seen again, gives it five seconds.
	if err := server.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ada.say("into the ice")
	ada.waiting("into the ice")
	for _, p := range tabs {
		p.run(`document.dispatchEvent(new Event("visibilitychange"))`)
	}
	for _, p := range tabs {
		p.until(`document.querySelector("#state").title === "no answer to $ping" || document.querySelector("#state").textContent === "Connecting…"`)
	}
	if err := server.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	said = append(said, "Ada: into the ice")
	together()
	chat("after the ice")

	// Ctrl-C: it says goodbye to both, and ends well though they stay.
	server.cmd.Process.Signal(os.Interrupt)
	if err := server.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	for _, p := range tabs {
		p.until(`document.querySelector("#state").textContent === "Reconnecting…" && window.sameAsBefore`)
		p.fine()
	}
}
