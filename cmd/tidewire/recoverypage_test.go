package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// inRow is the numbers and marks that a row shows: "1 2 [3 missing: …] 6+", with a + behind those that are recovered.
const inRow = `[...document.querySelectorAll("#%s li")].map((li) =>
	li.className === "gap" ? "[" + li.textContent + "]" : li.textContent + (li.className === "late" ? "+" : "")).join(" ")`

// last is the newest number that a page shows in both rows.
func (p *tab) last() (n int) {
	p.t.Helper()
	p.until(`document.querySelectorAll("ol.numbers > li:last-child:not(.gap)").length === 2`)
	n, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](`Math.min(...[...document.querySelectorAll("ol.numbers > li:last-child")].map((li) => Number(li.textContent)))`))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// counts waits until a page shows a number.
func (p *tab) counts(n int) {
	p.t.Helper()
	p.until(`["long", "short"].every((id) => Number(document.querySelector("#" + id + " > li:last-child")?.textContent) >= %d)`, n)
}

// consecutive says whether a row's numbers, from one on, lack none; some of them were recovered.
const consecutive = `(() => {
	const all = [...document.querySelectorAll("#%s li")];
	const numbers = all.map((li) => Number(li.textContent));
	return numbers.every((n, i) => !i || n === numbers[i - 1] + 1) && all.some((li) => li.className === "late");
})()`

func TestRecoveryPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	p := open(t, chromium, "the page", s.url+"recovery/")
	witness := open(t, chromium, "the witness", s.url+"recovery/")
	state := func(state, why, button string) {
		t.Helper()
		p.until(`document.querySelector("#state").textContent === %q && document.querySelector("#cause").textContent.startsWith(%q) &&
			document.querySelector("#cut").textContent === %q && document.querySelector("#hang-up").disabled === %t`, state, why, button, state != "Connected")
	}
	verdict := func(p *tab, room, pattern string) {
		t.Helper()
		p.until(`/^%s$/.test(document.querySelector("#%s-verdict").textContent)`, pattern, room)
	}
	state("Connected", "The line is up.", "Cut the line")
	n := p.last()
	p.counts(n + 2)
	p.shot("recovery")

	// Cut by the page: nothing is tried, and the server goes on.
	p.do(chromedp.Click(chromedp.CSS("#cut")))
	state("Cut", "You have cut it.", "Plug it in")
	n = p.last()
	p.run(`for (const event of ["online", "pageshow"]) dispatchEvent(new Event(event)); document.dispatchEvent(new Event("visibilitychange"))`)
	witness.counts(n + 8)
	state("Cut", "You have cut it.", "Plug it in")
	p.shot("recovery-cut")
	p.do(chromedp.Click(chromedp.CSS("#cut")))
	state("Connected", "The line is up.", "Cut the line")
	verdict(p, "long", `(\d+) published meanwhile: none lost, \1 in order\.`)
	verdict(p, "short", `\d+ published meanwhile: \d+ came, in order, and you were told that \d+ are missing\.`)
	p.until(consecutive, "long")
	p.until(`/^(\d+ )*%d \[\d+ missing: the history does not reach back so far\]( \d+\+){5}( \d+)*$/.test(`+inRow+`)`, n, "short")
	p.counts(n + 10)
	p.shot("recovery-back")

	// Cut by the server, it is back in a second, and neither room has lost anything.
	p.run(`for (const list of document.querySelectorAll("ol.numbers")) list.replaceChildren();
		for (const text of document.querySelectorAll(".verdict")) text.textContent = ""`)
	p.counts(n + 11)
	p.do(chromedp.Click(chromedp.CSS("#hang-up")))
	p.until(`document.querySelector("#cause").textContent.startsWith("It is lost (closed: 1006): the next try is in ")`)
	p.shot("recovery-hung-up")
	for _, room := range []string{"long", "short"} {
		verdict(p, room, `(\d+) published meanwhile: none lost, \1 in order\.`)
		p.until(`!document.querySelector("#%s .gap")`, room)
	}
	state("Connected", "The line is up.", "Cut the line")

	// So it is when the page is loaded again.
	p.do(chromedp.Reload())
	verdict(p, "long", `(\d+) published meanwhile: none lost, \1 in order\.`)

	// A server that starts anew counts anew, and the page says so.
	addr := s.url[len("http://") : len(s.url)-1]
	s.stop()
	p.until(`document.querySelector("#state").textContent !== "Connected"`)
	newShow(t, addr)
	for _, room := range []string{"long", "short"} {
		verdict(p, room, `The server has started anew: what it had is gone\.`)
		p.until(fmt.Sprintf(`/\[the server has started anew\] 1\+?( 2\+?)?/.test(%s)`, fmt.Sprintf(inRow, room)))
	}
	p.shot("recovery-anew")
	p.fine()
	witness.fine()
}
