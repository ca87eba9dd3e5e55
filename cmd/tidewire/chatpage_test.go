package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tidewire/tidewire/client"
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

// waiting waits until the chat shows these texts as unsent.
func (p *tab) waiting(texts string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll("#unsent .bubble")].map((b) => b.textContent).join("|") === %q`, texts)
}

// typed waits until the chat says that these people are typing, or, with "", that nobody is.
func (p *tab) typed(names string) {
	p.t.Helper()
	if names != "" {
		names += " typing…"
	}
	p.until(`document.querySelector("#typing").textContent === %q`, names)
}

// says publishes messages to a room of the chat, in a guest's name.
func (s *show) says(room, name string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		data := map[string]any{"name": name, "text": text, "at": time.Now().UnixMilli()}
		if _, err := s.Hub.Room("chat:"+room).Publish(context.Background(), "chat", data); err != nil {
			s.t.Fatal(err)
		}
	}
}

// numbered are texts from "prefix first" to "prefix last".
func numbered(prefix string, first, last int) (texts []string) {
	for n := first; n <= last; n++ {
		texts = append(texts, fmt.Sprint(prefix, " ", n))
	}
	return texts
}

// from is how shows wants to see a guest's texts.
func from(name string, texts ...string) string {
	return name + ": " + strings.Join(texts, "|"+name+": ")
}

// atEnd says whether the log shows its end.
const atEnd = `(() => { const log = document.querySelector("#log"); return log.scrollHeight > log.clientHeight + 50 &&
	document.querySelector("#log > div").getBoundingClientRect().bottom - log.getBoundingClientRect().bottom < 20; })()`

// leaves says whether the page may be left without a question.
const leaves = `dispatchEvent(new Event("beforeunload", { cancelable: true }))`

func TestChatPage(t *testing.T) {
	t.Parallel()
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	enter := func(t *testing.T, room, name string) *tab {
		t.Helper()
		p := open(t, chromium, name+"'s tab", "about:blank")
		p.before(fmt.Sprintf("sessionStorage.name ||= %q", name))
		p.do(chromedp.Navigate(s.url + "chat/?room=" + url.QueryEscape(room)))
		p.until(`document.querySelector("#state").textContent === "Connected" &&
			document.querySelector("#people .me")?.textContent === %q`, name)
		t.Cleanup(p.fine)
		return p
	}

	t.Run("two tabs", func(t *testing.T) {
		ada, grace := enter(t, "two", "Ada"), enter(t, "two", "Grace")
		ada.here("Ada,Grace")
		grace.here("Ada,Grace")
		ada.until(`document.querySelector("#count").textContent === "2 in two"`)
		ada.say("<b>hello</b>")
		grace.say("hi")
		ada.shows("You: <b>hello</b>|Grace: hi")
		grace.shows("Ada: <b>hello</b>|You: hi")
		// Who has said it is not typing any more.
		grace.do(chromedp.SendKeys(chromedp.CSS("#text"), "hm"))
		ada.typed("Grace")
		ada.shot("chat")
		grace.typed("")
		grace.do(pressEnter)
		ada.shows("You: <b>hello</b>|Grace: hi|Grace: hm")
		ada.typed("")
		// Two people may have the same name.
		bob, rob := enter(t, "two", "Bob"), enter(t, "two", "Bob")
		ada.here("Ada,Bob,Bob,Grace")
		bob.do(chromedp.SendKeys(chromedp.CSS("#text"), "a"))
		rob.do(chromedp.SendKeys(chromedp.CSS("#text"), "b"))
		ada.typed("Bob, Bob")
		rob.do(pressEnter)
		ada.typed("Bob")
		bob.shows("Ada: <b>hello</b>|Grace: hi|Grace: hm|Bob: b")
		// Another name is not another guest, and what was there stays.
		grace.rename("Grace H.")
		ada.here("Ada,Bob,Bob,Grace H.")
		grace.say("it is me")
		grace.shows("Ada: <b>hello</b>|You: hi|You: hm|Bob: b|You: it is me")
		ada.shows("You: <b>hello</b>|Grace: hi|Grace: hm|Bob: b|Grace H.: it is me")
		// Nor is who reloads the page.
		grace.do(chromedp.Reload())
		grace.here("Ada,Bob,Bob,Grace H.")
		grace.shows("Ada: <b>hello</b>|You: hi|You: hm|Bob: b|You: it is me")
		ada.here("Ada,Bob,Bob,Grace H.")
		ada.typed("") // some seconds later
	})

	t.Run("earlier messages", func(t *testing.T) {
		all := numbered("message", 1, 75)
		s.says("early", "Bob", all...)
		p := enter(t, "early", "Ada")
		p.shows(from("Bob", all[45:]...))
		p.until(atEnd)
		p.shot("chat-history")
		// What is read stays where it is, whether it is clicked once or twice.
		p.run(`document.querySelector("#log").scrollTop = -1e6;
			window.seen = document.querySelector("#messages .said");
			window.top1 = seen.getBoundingClientRect().top;
			document.querySelector("#older").click(); document.querySelector("#older").click()`)
		p.shows(from("Bob", all[15:]...))
		p.until(`Math.abs(seen.getBoundingClientRect().top - top1) < 2`)
		// So it does when somebody says something.
		s.says("early", "Bob", "and one")
		p.shows(from("Bob", append(all[15:75:75], "and one")...))
		p.until(`Math.abs(seen.getBoundingClientRect().top - top1) < 2`)
		// Another name, and a cut, leave all that where it is.
		p.rename("Augusta")
		p.here("Augusta")
		s.leave()
		s.says("early", "Bob", "and two")
		s.comeBack(p)
		p.shows(from("Bob", append(all[15:75:75], "and one", "and two")...))
		p.do(chromedp.Click(chromedp.CSS("#older")))
		p.shows(from("Bob", append(all[:75:75], "and one", "and two")...))
		p.until(`document.querySelector("#older").hidden`)
		// A room without a beginning that is not shown has no such button.
		few := enter(t, "few", "Ada")
		few.say("first")
		few.shows("You: first")
		few.until(`document.querySelector("#older").hidden`)
	})

	t.Run("cut", func(t *testing.T) {
		p, other := enter(t, "cut", "Ada"), enter(t, "cut", "Grace")
		s.says("cut", "Bob", "before")
		all := []string{"Bob: before"}
		p.shows("Bob: before")
		for round := range 2 {
			s.leave()
			missed := numbered(fmt.Sprint("missed ", round), 1, 40)
			s.says("cut", "Bob", missed...)
			p.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
			p.say(fmt.Sprint("in the dark ", round))
			p.say(fmt.Sprint("and more ", round))
			p.waiting(fmt.Sprintf("in the dark %d|and more %[1]d", round))
			p.until(leaves + " === false") // the browser would ask
			if round == 0 {
				p.shot("chat-cut")
			}
			s.comeBack(p, other)
			all = append(all, from("Bob", missed...), from("You", fmt.Sprint("in the dark ", round), fmt.Sprint("and more ", round)))
			p.shows(strings.Join(all, "|"))
			other.shows(strings.ReplaceAll(strings.Join(all, "|"), "You:", "Ada:"))
		}
		p.here("Ada,Grace")
		p.until(`!document.querySelector(".event") && ` + leaves)
	})

	// All are counted, and the first of them are shown.
	t.Run("many", func(t *testing.T) {
		p := enter(t, "many", "Ada")
		for range 55 {
			c, err := client.Dial(t.Context(), s.url+"live", nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close(context.Background()) })
			room, err := c.Room("chat:many", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := room.Join(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p.until(`document.querySelector("#count").textContent === "56 in many" && document.querySelectorAll("#people li").length === 50`)
		p.until(`document.documentElement.scrollWidth <= innerWidth`)
		p.shot("chat-many")
	})

	t.Run("another name while away", func(t *testing.T) {
		p, other := enter(t, "away", "Ada"), enter(t, "away", "Grace")
		s.leave()
		p.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
		p.say("before")
		p.rename("Augusta")
		p.say("behind")
		p.waiting("before|behind")
		s.comeBack(p, other)
		p.here("Augusta,Grace")
		p.shows("You: before|You: behind")
		other.shows("Augusta: before|Augusta: behind")
	})

	t.Run("too much missed", func(t *testing.T) {
		p := enter(t, "gap", "Ada")
		s.says("gap", "Bob", "before")
		p.shows("Bob: before")
		s.leave()
		missed := numbered("missed", 1, 220)
		s.says("gap", "Bob", missed...)
		s.comeBack(p)
		p.shows(from("Bob", append([]string{"before"}, missed[20:]...)...))
		p.until(`document.querySelector("#messages").children[1].textContent === "Messages are missing here: more was said than the server keeps" &&
			document.querySelector("#older").hidden`)
	})

	t.Run("refused", func(t *testing.T) {
		p := enter(t, "refused", "Ada")
		p.run(`document.querySelector("#text").value = "é".repeat(2001); document.querySelector("#composer").requestSubmit()`)
		why := `document.querySelectorAll("#unsent li").length === 1 &&
			document.querySelector("#unsent .refused .meta")?.firstChild.textContent === "Not sent: a message has 1 to 2000 characters "`
		p.until(why)
		p.shot("chat-refused")
		p.run(`window.old = document.querySelector("#unsent li")`)
		p.do(chromedp.Click(chromedp.CSS("#unsent button")))
		p.until("!old.isConnected && " + why)
		// It is no reason to wait with another name, and stays.
		p.rename("Augusta")
		p.here("Augusta")
		p.say("shorter")
		p.until(`document.querySelector("#messages .bubble")?.textContent === "shorter" && ` + why)
		// Nothing is no message.
		p.do(chromedp.SendKeys(chromedp.CSS("#text"), "   "), pressEnter)
		p.until(`document.querySelectorAll("#unsent li").length === 1 && document.querySelector("#text").value === ""`)
	})

	t.Run("text only", func(t *testing.T) {
		const evil = `<img src=x onerror=hit=1>`
		ada, eve := enter(t, evil, "Ada"), enter(t, evil, "Eve")
		ada.until(`document.querySelector("#count").textContent === %q`, "2 in "+evil)
		eve.rename(evil)
		ada.here(evil + ",Ada")
		texts := []string{evil, `<script>hit=1</script>`, `"><svg onload=hit=1>`, `javascript:hit=1`, `{{hit=1}}`, `&lt;b&gt;`}
		for _, text := range texts {
			eve.say(text)
		}
		ada.shows(from(evil, texts...))
		eve.shows(from("You", texts...))
		eve.do(chromedp.SendKeys(chromedp.CSS("#text"), "x"))
		ada.typed(evil)
		ada.shot("chat-evil")
		for _, p := range []*tab{ada, eve} {
			p.until(`window.hit === undefined && !document.querySelector("main :is(img, script, svg, a)")`)
		}
	})

	// Any text is a room, and rooms have nothing to do with each other.
	t.Run("rooms", func(t *testing.T) {
		p := enter(t, "tea time", "Ada")
		for _, room := range []string{"tea time", "*", ">", "a:b", "Überraschung 🎁", strings.Repeat("é", 100), ""} {
			p.do(chromedp.Navigate(s.url + "chat/?room=" + url.QueryEscape(room)))
			p.here("Ada")
			p.until(`document.querySelector("#count").textContent === %q`, "1 in "+cmp.Or(room, "lobby"))
			p.say("in here")
			p.shows("You: in here")
		}
		s.says("lobby", "Bob", "welcome")
		p.shows("You: in here|Bob: welcome")
	})

	// The browser keeps the page, and the page goes on where it was.
	t.Run("back", func(t *testing.T) {
		p, other := enter(t, "back", "Ada"), enter(t, "back", "Grace")
		p.say("I am off")
		p.shows("You: I am off")
		p.run(`window.sameAsBefore = true; addEventListener("pageshow", (event) => { window.restored = event.persisted; })`)
		p.do(chromedp.Navigate(s.url))
		other.say("missed")
		p.run("history.back()")
		p.until("window.sameAsBefore && window.restored")
		p.here("Ada,Grace")
		p.shows("You: I am off|Grace: missed")
	})

	t.Run("screens", func(t *testing.T) {
		room := strings.Repeat("W", 60)
		p := enter(t, room, strings.Repeat("W", 32))
		s.says(room, strings.Repeat("M", 32), append(numbered("text", 1, 25), strings.Repeat("long", 500), strings.Repeat("word ", 100))...)
		p.until(`document.querySelectorAll("#messages .said").length === 27`)
		for _, screen := range []struct{ width, height int64 }{{320, 568}, {390, 844}, {820, 1180}, {1280, 800}, {1920, 1080}} {
			p.do(chromedp.EmulateViewport(screen.width, screen.height))
			p.until("innerWidth === %d", screen.width)
			// Nothing sticks out, the page itself does not scroll, and the end of the log stays in view.
			p.until(`document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight`)
			p.until(`[...document.querySelectorAll("button, input, textarea, .pill, .bubble, .name, #count, #people")].every((node) => {
				const { left, right, width } = node.getBoundingClientRect();
				return width === 0 || left >= 0 && right <= innerWidth;
			})`)
			p.until(atEnd)
		}
		// Who has scrolled up stays there.
		p.run(`document.querySelector("#log").scrollTop -= 300; window.at = document.querySelector("#messages").lastChild.getBoundingClientRect().top`)
		s.says(room, "Bob", "one more")
		p.until(`document.querySelectorAll("#messages .said").length === 28 &&
			Math.abs(document.querySelector("#messages").lastChild.previousSibling.getBoundingClientRect().top - at) < 2`)
	})

	// Where no WebSocket opens the page comes through posts, and misses nothing either.
	t.Run("posts", func(t *testing.T) {
		p := open(t, chromium, "Ada's tab", "about:blank")
		p.before(`window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006, reason: "" })); } close() {} }`)
		p.do(chromedp.Navigate(s.url + "chat/?room=posts"))
		p.until(`document.querySelector("#state").textContent === "Connected"`)
		p.rename("Ada")
		p.here("Ada")
		p.say("by post")
		p.shows("You: by post")
		s.says("posts", "Bob", "well received")
		p.shows("You: by post|Bob: well received")
		p.fine()
	})
}

// A server that comes back on the same port has forgotten what was said. The page keeps what it shows, says that
// something may be missing, and goes on.
func TestChatPageOfRestartedServer(t *testing.T) {
	t.Parallel()
	s := newShow(t, "127.0.0.1:0")
	p := open(t, browser(t), "Ada's tab", s.url+"chat/")
	p.rename("Ada")
	p.here("Ada")
	s.says("lobby", "Bob", numbered("old", 1, 40)...)
	p.shows(from("Bob", numbered("old", 1, 40)...))
	s.stop()
	p.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
	p.say("in the dark")
	p.waiting("in the dark")
	s = newShow(t, strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/"))
	s.says("lobby", "Bob", numbered("new", 1, 40)...)
	p.run(`dispatchEvent(new Event("online"))`)
	p.here("Ada")
	all := from("Bob", append(numbered("old", 1, 40), numbered("new", 1, 40)...)...) + "|You: in the dark"
	p.shows(all)
	p.until(`document.querySelectorAll(".event").length === 1 && document.querySelector("#older").hidden &&
		document.querySelector(".event").textContent === "Messages are missing here: the server has started anew" &&
		document.querySelector(".event").nextSibling.textContent.includes("new 1")`)
	p.shot("chat-restarted")
	p.say("and on")
	p.shows(all + "|You: and on")
	p.fine()
}
