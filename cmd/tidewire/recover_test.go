package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// lobby serves the pages and a chat on addr until the test, or stop, ends it.
func lobby(t *testing.T, addr string) (c *chat, host string, stop func()) {
	t.Helper()
	var ln net.Listener
	eventually(t, "the port is free", func() (err error) { // of another program's outgoing connection, too
		ln, err = net.Listen("tcp", addr)
		return err
	})
	log := slog.New(slog.DiscardHandler)
	c = newChat(log)
	server := newServer(c, log)
	served, told := make(chan error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { served <- server.Serve(ln) }()
	go func() { defer close(told); c.people.run(ctx, c.hub, time.Second) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			c.hub.Close()
			server.Close()
			<-served
			cancel()
			<-told
		}
	}
	t.Cleanup(stop)
	return c, ln.Addr().String(), stop
}

// says publishes messages to the lobby, in a guest's name.
func (r *chat) says(t *testing.T, name string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := r.hub.Room("room:lobby").Publish(t.Context(), "chat", said{name, text, time.Now().UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
}

// cut cuts the connections of all guests, and waits until they are gone.
func (r *chat) cut(t *testing.T) {
	t.Helper()
	r.people.mu.Lock()
	for s := range r.people.guests {
		s.Conn().CloseNow()
	}
	r.people.mu.Unlock()
	eventually(t, "they are gone", func() error {
		if n := r.hub.Len(); n > 0 {
			return fmt.Errorf("%d are there", n)
		}
		return nil
	})
}

// eventually tries f until it returns no error.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("this did not come true: %s: %v", what, err)
		}
	}
}

// shows waits until the chat has these messages and no others, in this order.
func (p *tab) shows(texts ...string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll("#chat .bubble")].map((b) => b.textContent).join("|") === %q`, strings.Join(texts, "|"))
}

// A page whose connection is cut comes back by itself, and shows what was said
// meanwhile in order, once each; what its user typed meanwhile comes after that.
func TestCutConnection(t *testing.T) {
	c, host, _ := lobby(t, "127.0.0.1:0")
	p := open(t, browser(t), "the tab", "http://"+host+"/")
	p.rename("Ada")
	p.here("Ada (you)")
	all := []string{"before"}
	c.says(t, "Bob", all...)
	p.shows(all...)
	for round := range 3 {
		c.cut(t)
		for n := range 25 {
			all = append(all, fmt.Sprint("missed ", round, ".", n))
			c.says(t, "Bob", all[len(all)-1])
		}
		typed := fmt.Sprint("typed in the dark ", round)
		p.state("chat", "waiting", "Waiting")
		p.say(typed)
		all = append(all, typed)
		p.here("Ada (you)")
		p.shows(all...)
		p.sees("", typed)
	}
	p.until(`[...document.querySelectorAll("#chat .event")].filter((e) => e.textContent.includes("You are back")).length === 3`)
	p.until(`!document.querySelector("#chat .log").textContent.includes("missing")`)
	// A reload shows it all again, and knows which were ours.
	p.do(chromedp.Navigate("http://" + host + "/"))
	p.shows(all...)
	for round := range 3 {
		p.sees("", fmt.Sprint("typed in the dark ", round))
	}
	p.sees("Bob", "missed 2.24")
}

// More than the server keeps cannot be shown: the page says so, where it is.
func TestTooMuchMissed(t *testing.T) {
	c, host, _ := lobby(t, "127.0.0.1:0")
	p := open(t, browser(t), "the tab", "http://"+host+"/")
	p.until(`document.querySelectorAll(".people li").length === 1`)
	c.says(t, "Bob", "before")
	p.shows("before")
	c.cut(t)
	all := []string{"before"}
	for n := range kept + 20 {
		text := fmt.Sprint("missed ", n)
		c.says(t, "Bob", text)
		if n >= 20 {
			all = append(all, text)
		}
	}
	p.shows(all...)
	p.until(`document.querySelector("#chat .event.gap").textContent.startsWith("Messages are missing here: more was said than the server keeps") &&
		document.querySelector("#chat .event.gap").nextElementSibling.textContent.includes("missed 20")`)
}

// A server that comes back on the same port has forgotten what was said. The page
// keeps what it shows, says that something may be missing, and goes on.
func TestRestartedServer(t *testing.T) {
	c, host, stop := lobby(t, "127.0.0.1:0")
	p := open(t, browser(t), "the tab", "http://"+host+"/")
	p.rename("Ada")
	p.here("Ada (you)")
	c.says(t, "Bob", "one", "two")
	p.shows("one", "two")
	stop()
	p.state("chat", "waiting", "Waiting")
	p.say("typed in the dark")
	c, _, _ = lobby(t, host)
	c.says(t, "Bob", "three")
	p.shows("one", "two", "three", "typed in the dark")
	p.until(`document.querySelectorAll("#chat .event.gap").length === 1 &&
		document.querySelector("#chat .event.gap").textContent.startsWith("Messages may be missing here: the server has started anew") &&
		document.querySelector("#chat .event.gap").nextElementSibling.textContent.includes("three")`)
	p.here("Ada (you)")
	p.say("and on")
	p.shows("one", "two", "three", "typed in the dark", "and on")
}

// Names and messages that are HTML are text, in every place that shows them.
func TestChatShowsTextOnly(t *testing.T) {
	const evil = `<img src=x onerror=window.hit=1>`
	_, host, _ := lobby(t, "127.0.0.1:0")
	chromium := browser(t)
	ada := open(t, chromium, "Ada's tab", "http://"+host+"/?room=%3Cimg%2Fsrc%3Dx%2Fonerror%3Dwindow.hit%3D1%3E")
	// No room of that name can be: a ">" is a wildcard's.
	ada.until(`document.querySelector("#chat .note").textContent.startsWith("The server did not let you in")`)
	ada.until(`document.querySelector("#chat .room").textContent.startsWith("room:<img")`)
	ada.do(chromedp.Navigate("http://" + host + "/"))
	eve := open(t, chromium, "Eve's tab", "http://"+host+"/")
	eve.until(`document.querySelectorAll(".people li").length === 2`)
	eve.rename(evil)
	ada.until(`[...document.querySelectorAll(".people li")].some((li) => li.textContent === %q)`, evil)
	for _, text := range []string{evil, `<script>window.hit=1</script>`, `"><svg onload=window.hit=1>`, `javascript:window.hit=1`} {
		eve.say(text)
		ada.sees(evil, text)
		eve.sees("", text)
	}
	eve.rename("Eve")
	ada.until(`[...document.querySelectorAll("#chat .event")].some((e) => e.textContent.startsWith(%q))`, evil+" is now Eve")
	for _, p := range []*tab{ada, eve} {
		p.until(`window.hit === undefined && !document.querySelector("#chat :is(img, script, svg, a)")`)
		p.mu.Lock()
		for _, c := range p.complaints {
			t.Errorf("%s complained: %s", p.name, c)
		}
		p.mu.Unlock()
	}
}

// Rooms of different names have nothing to do with each other.
func TestRoomOfTheAddress(t *testing.T) {
	c, host, _ := lobby(t, "127.0.0.1:0")
	chromium := browser(t)
	tea := []*tab{
		open(t, chromium, "a tab", "http://"+host+"/?room=tea"),
		open(t, chromium, "another tab", "http://"+host+"/?room=tea"),
	}
	other := open(t, chromium, "the lobby's tab", "http://"+host+"/")
	other.until(`document.querySelectorAll(".people li").length === 1`)
	for _, p := range tea {
		p.until(`document.querySelectorAll(".people li").length === 2 && document.querySelector(".room").textContent === "room:tea"`)
	}
	tea[0].say("milk?")
	tea[1].until(`document.querySelector("#chat .bubble").textContent === "milk?"`)
	c.says(t, "Bob", "in the lobby")
	other.shows("in the lobby")
	tea[1].shows("milk?")
}
