package main

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/web"
)

// The soak has ten thousand. Under the race detector those alone take five gigabytes.
var consoleSessions = flag.Int("console.sessions", 2000, "how many sessions stand behind TestConsolePage, 2,000 at least")

// observing notes what takes long in a page, and what moves without being asked to.
const observing = `window.tasks = []; window.moved = [];
	new PerformanceObserver((list) => list.getEntries().forEach((e) => tasks.push(Math.round(e.duration)))).observe({ type: "longtask" });
	new PerformanceObserver((list) => list.getEntries().forEach((e) => e.hadRecentInput || moved.push(e.value + ": " + e.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName)))).observe({ type: "layout-shift" });`

// searches puts a text into a table's search, and returns how many ms passed until the answer was painted.
func (p *tab) searches(view, text, found string) string {
	p.t.Helper()
	p.run(fmt.Sprintf(`(async () => {
		window.took = undefined;
		const input = document.querySelector("#%[1]s input[type=search]");
		const frame = () => new Promise(requestAnimationFrame);
		const begun = performance.now();
		input.value = %[2]q;
		input.dispatchEvent(new Event("input"));
		while (!document.querySelector("#%[1]s .found").textContent.includes(%[3]q)) await frame();
		await frame();
		window.took = performance.now() - begun;
	})()`, view, text, found))
	p.until(`window.took`)
	return p.text(`String(Math.round(window.took))`)
}

// confirms waits until the dialog asks, presses its button, and waits for what the page says then.
func (p *tab) confirms(question, said string) {
	p.t.Helper()
	p.until(`document.querySelector("#ask").open && document.querySelector("#ask").textContent.includes(%q) && document.activeElement.id === "ask-no"`, question)
	p.do(chromedp.Click(chromedp.CSS("#ask-yes")))
	p.until(`!document.querySelector("#ask").open && document.querySelector("#said").textContent.includes(%q)`, said)
}

const inside = `document.querySelector("#inside")?.hidden === false && document.querySelector("#state").textContent === "Connected"`

func TestConsolePage(t *testing.T) {
	b := newBureau(t)
	begun := time.Now()
	many := *consoleSessions
	thousands := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	members := b.crowd(many)
	t.Logf("%d sessions came within %v", many, time.Since(begun).Round(time.Millisecond))
	talking, hush := context.WithCancel(context.Background())
	var talk sync.WaitGroup
	talk.Go(func() { // what there is to see: a hundred messages a second in a room, some in others, and errors
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-talking.Done():
				return
			case <-ticker.C:
			}
			for range 5 {
				b.hub.Room("chat:7").Publish(talking, "said", map[string]any{"text": fmt.Sprintf("<i>hello</i> %d", i)}, live.WithFrom("user-00007"))
			}
			members[i%1000+1000].say(t, `{"type":"said","room":"chat:%d","mid":"m%d","data":{"n":%d}}`, i%100, i, i)
			if i%10 == 0 {
				members[i%1000+1000].say(t, `{"type":"nothing"}`)
			}
		}
	})
	t.Cleanup(func() { hush(); talk.Wait() })

	chromium := browser(t)
	p := open(t, chromium, "the console", b.url)
	p.before(observing)
	p.do(chromedp.Reload())
	p.look("door")
	p.enter("not-the-key-at-all")
	p.until(`document.querySelector("#refusal").textContent.includes("not a key of this console") && document.querySelector("#inside").hidden && !sessionStorage.consoleKey`)
	p.enter(consoleKey)
	p.until(inside)

	// The charts, and a cursor over all of them by keys.
	p.until(`document.querySelectorAll("#charts canvas").length === 8 && document.querySelector("#hot a").textContent === "chat:7"`)
	p.until(`document.querySelector("#charts b").textContent === %q && document.querySelector("#hot .short")`, thousands(many))
	p.until(`document.querySelector("#chart-3 b").textContent !== "–" && document.querySelector("#chart-7").textContent.includes("unknown-type")`)
	p.until(`uPlot.sync("console").plots[0].data[0].length > 4`)
	p.run(`document.querySelector("#charts").focus(); window.moved.length = 0`)
	p.do(chromedp.SendKeys(chromedp.CSS("#charts"), kb.ArrowLeft), chromedp.SendKeys(chromedp.CSS("#charts"), kb.ArrowLeft))
	p.until(`(() => {
		const all = uPlot.sync("console").plots;
		return all.length === 8 && all.every((u) => u.cursor.idx === all[0].cursor.idx && u.cursor.left > 0) && all[0].cursor.idx < all[0].data[0].length - 2;
	})()`)
	p.do(chromedp.SendKeys(chromedp.CSS("#charts"), kb.Escape))
	p.until(`uPlot.sync("console").plots.every((u) => u.cursor.idx == null)`)
	p.do(chromedp.Click(chromedp.CSS("#pause")))
	at := p.text(`document.querySelector("#when").textContent`)
	time.Sleep(1500 * time.Millisecond) // longer than from one sample to the next
	p.until(`document.querySelector("#when").textContent === %q`, at)
	p.do(chromedp.Click(chromedp.CSS("#pause")))
	p.until(`document.querySelector("#when").textContent > %q`, at)
	p.until(`!moved.length || console.error("moved", ...moved)`)
	p.look("charts")

	// All rows are searched and sorted at once.
	p.goes("#rooms")
	p.until(`document.querySelectorAll("#rooms-view tbody tr:not([hidden])").length === 50 && document.querySelector("#rooms-view .found").textContent === "1–50 of %s"`, thousands(many+100))
	p.look("rooms")
	p.goes("#sessions")
	p.until(`document.querySelectorAll("#sessions-view tbody tr:not([hidden])").length === 50`)
	p.look("sessions")
	p.run(`window.tasks.length = 0`)
	var took []string
	for i := range 5 {
		took = append(took, p.searches("sessions-view", fmt.Sprintf("user-0123%d", i), "1–1 of 1 found"))
		took = append(took, p.searches("sessions-view", "", "1–50 of "+thousands(many)))
	}
	t.Logf("ms from a keystroke to what was found, painted: %s; long tasks: %s", strings.Join(took, " "), p.text(`JSON.stringify(window.tasks)`))
	p.do(chromedp.Click(chromedp.CSS("#sessions-view th:first-child button")))
	p.until(`document.querySelector("#sessions-view th:first-child").ariaSort === "ascending" && document.querySelector("#sessions-view td a").textContent === "user-00000"`)
	p.do(chromedp.Click(chromedp.CSS("#sessions-view .found ~ button:last-child")))
	p.until(`document.querySelector("#sessions-view td a").textContent === "user-00050"`)

	// Nothing is changed without being asked first.
	p.searches("sessions-view", "user-00050", "1–1 of 1 found")
	p.do(chromedp.Click(chromedp.CSS("#sessions-view td a")))
	p.until(`document.querySelector("#session-facts").textContent.includes("user-00050") && document.querySelector("#session-rooms").textContent === "chat:50own:50"`)
	p.look("session")
	p.goes("#sessions")
	p.until(`!document.querySelector("#sessions-view").hidden`)
	p.do(chromedp.Click(chromedp.CSS("#sessions-view tbody button")), chromedp.Click(chromedp.CSS("#ask-no")))
	p.until(`!document.querySelector("#ask").open`)
	p.do(chromedp.Click(chromedp.CSS("#sessions-view tbody button")))
	p.confirms("of user-00050, from client:", "was disconnected")
	<-members[50].Context().Done()
	if n := b.hub.Len(); n != many-1 {
		t.Errorf("%d sessions are left", n)
	}
	p.goes("#room=chat%3A7")
	p.until(`document.querySelectorAll("#feed li").length > 30 && document.querySelectorAll("#crowd li").length === %d && document.querySelector("#feed").textContent.includes("<i>hello</i>")`, min(many/100, 100))
	p.look("room")
	p.do(chromedp.Click(chromedp.CSS("#crowd button")))
	p.look("ask")
	p.confirms("All sessions of user-00007, on all nodes, leave chat:7", "was removed")
	p.until(`document.querySelectorAll("#crowd li").length === %d`, min(many/100, 100)-1)
	hush() // so that what is published does not scroll away
	talk.Wait()
	p.do(chromedp.SendKeys(chromedp.CSS("#type"), "news"), selectAll("#data"), chromedp.SendKeys(chromedp.CSS("#data"), `{"n":`), chromedp.Click(chromedp.CSS("#publish button")))
	p.until(`!document.querySelector("#ask").open && !document.querySelector("#publish").checkValidity()`)
	p.do(chromedp.SendKeys(chromedp.CSS("#data"), `12345678901234567}`), chromedp.Click(chromedp.CSS("#publish button")))
	p.confirms("A message of type news", "news was published")
	p.until(`document.querySelector("#feed").textContent.includes('{"n":12345678901234567}')`)

	// Who comes back in this tab needs no key, and has the charts of before at once. Another tab needs one.
	p.do(chromedp.Navigate(b.url + "?again"))
	p.until(inside + ` && uPlot.sync("console").plots[0]?.data[0].length > 5`)
	q := open(t, chromium, "who looks", b.url)
	q.enter(consoleReadKey)
	q.until(inside + ` && getComputedStyle(document.querySelector("#publish")).display === "none"`)
	q.until(`Object.keys(localStorage).length === 0 && document.cookie === ""`)

	// What is wrong is said, and what ends.
	b.broker.tell(false)
	p.until(`!document.querySelector("#alarm").hidden && document.querySelector("#alarm").textContent === "Degraded: messages cannot be stored."`)
	p.look("degraded")
	b.broker.tell(true)
	p.until(`document.querySelector("#alarm").hidden`)
	go b.hub.Close()
	p.until(`!document.querySelector("#alarm").hidden && document.querySelector("#alarm").textContent.startsWith("Draining")`)
	p.shot("console-draining")
	p.do(chromedp.Click(chromedp.CSS("#forget")))
	p.until(`document.querySelector("#door")?.hidden === false && !sessionStorage.consoleKey`)
	p.fine()
	q.fine()
}

// The console of a server whose rooms are --rooms: what it publishes is heard, and who only looks sees it.
func TestConsolePageOfServe(t *testing.T) {
	s := serve(t, "--rooms", "chat:* history=10 presence allow=join,publish", "--jwt-secret-file", secretFile(t, testSecret),
		"--console-key-file", secretFile(t, consoleKey), "--console-read-key-file", secretFile(t, consoleReadKey))
	ann, err := s.enter(t, pass(t, "ann", nil))
	if err != nil {
		t.Fatal(err)
	}
	_, heard := hear(t, ann, "chat:7", "news")
	chromium := browser(t)
	p := open(t, chromium, "the console", "http://"+s.host+"/console/#room=chat%3A7")
	p.enter(consoleKey)
	p.until(inside + ` && document.querySelector("#crowd").textContent.includes("ann") && document.querySelector("#publish").checkVisibility()`)
	p.do(chromedp.SendKeys(chromedp.CSS("#type"), "news"), selectAll("#data"), chromedp.SendKeys(chromedp.CSS("#data"), `"of the day"`), chromedp.Click(chromedp.CSS("#publish button")))
	p.confirms("A message of type news", "news was published")
	if got := <-heard; got != "of the day of " {
		t.Errorf("heard %q", got)
	}
	q := open(t, chromium, "who looks", "http://"+s.host+"/console/#room=chat%3A7")
	q.enter(consoleReadKey)
	q.until(inside + ` && document.querySelector("#feed").textContent.includes("of the day") && getComputedStyle(document.querySelector("#publish")).display === "none"`)
	q.look("serve")
	p.fine()
	q.fine()
}

// A server may have the page and no console.
func TestConsolePageAlone(t *testing.T) {
	server := httptest.NewServer(web.Handler())
	t.Cleanup(server.Close)
	p := open(t, browser(t), "the page", server.URL+"/console/")
	p.enter(consoleKey)
	p.until(`document.querySelector("#refusal").textContent.startsWith("This server has no console.")`)
}
