package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// say types a message into the chat and sends it.
func (p *tab) say(text string) {
	p.t.Helper()
	p.do(chromedp.SendKeys(chromedp.CSS("#text"), text), pressEnter)
	p.until(`document.querySelector("#text").value === ""`)
}

// rename types a name.
func (p *tab) rename(name string) {
	p.t.Helper()
	p.do(selectAll("#name"), chromedp.SendKeys(chromedp.CSS("#name"), name+"\n"))
}

// here waits until the page is connected and shows these people.
func (p *tab) here(people string) {
	p.t.Helper()
	p.until(`document.querySelector("#state").textContent === "Connected" &&
		[...document.querySelectorAll("#people li")].map((li) => li.textContent).sort().join() === %q`, people)
}

// shows waits until the chat shows these messages and no others, in this order, and none is unsent: "name: text|name: text".
func (p *tab) shows(messages string) {
	p.t.Helper()
	p.until(`!document.querySelector("#unsent li") && [...document.querySelectorAll("#messages .said")].map((row) =>
		row.querySelector(".name").textContent + ": " + row.querySelector(".bubble").textContent).join("|") === %q`, messages)
}

func TestChatPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	ada := open(t, chromium, "Ada's tab", s.url+"chat/")
	grace := open(t, chromium, "Grace's tab", s.url+"chat/")
	ada.rename("Ada")
	grace.rename("Grace")
	ada.here("Ada,Grace")
	grace.here("Ada,Grace")
	ada.say("<b>hello</b>")
	grace.say("hi")
	ada.shows("You: <b>hello</b>|Grace: hi")
	grace.shows("Ada: <b>hello</b>|You: hi")
	grace.do(chromedp.SendKeys(chromedp.CSS("#text"), "hm"))
	ada.until(`document.querySelector("#typing").textContent === "Grace typing…"`)
	ada.shot("chat")
	ada.fine()
	grace.fine()
}
