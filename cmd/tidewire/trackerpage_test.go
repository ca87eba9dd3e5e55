package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// sees waits until the page shows so many boats, on the map and in the table.
func (p *tab) sees(boats int) {
	p.t.Helper()
	p.until(`document.querySelector("#state").textContent === "Connected" && document.querySelectorAll("#fleet tbody tr").length === %d && (() => {
		const map = document.querySelector("#map");
		const copy = new OffscreenCanvas(map.width, map.height).getContext("2d", { willReadFrequently: true });
		copy.drawImage(map, 0, 0);
		const pixels = new Uint32Array(copy.getImageData(0, 0, map.width, map.height).data.buffer);
		return map.width === Math.floor(map.clientWidth * devicePixelRatio) && pixels.some(Boolean);
	})()`, boats)
}

// names waits until a boat has this name.
func (p *tab) names(boat string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll("#fleet tbody b")].some((b) => b.textContent === %q && !b.children.length)`, boat)
}

// spot returns a place on the map in pixels of the window.
func (p *tab) spot(x, y float64) (left, top float64) {
	p.t.Helper()
	box, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](`(({ left, top, width }) => [left, top, width])(document.querySelector("#map").getBoundingClientRect())`))
	if err != nil {
		p.t.Fatal(err)
	}
	return box[0] + x*box[2]/160, box[1] + y*box[2]/160
}

// chooses clicks a boat on the map until its row is chosen: boats move.
func (p *tab) chooses(boat string) {
	p.t.Helper()
	row := fmt.Sprintf(`[...document.querySelectorAll("#fleet tbody tr")].find((tr) => tr.querySelector("b").textContent === %q)`, boat)
	eventually(p.t, boat+" is chosen", func() error {
		text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](row+".lastElementChild.textContent"))
		if err != nil {
			return err
		}
		var x, y float64
		if _, err := fmt.Sscanf(text, "%f E, %f S", &x, &y); err != nil {
			return err
		}
		left, top := p.spot(10*x, 10*y)
		p.do(chromedp.MouseClickXY(left, top))
		if ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](row+`.querySelector("input").checked`)); !ok {
			return fmt.Errorf("it was not at %s: %v", text, err)
		}
		return nil
	})
}

func TestTrackerPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	ann := open(t, chromium, "Ann's tab", s.url+"tracker/")
	bob := open(t, chromium, "Bob's tab", s.url+"tracker/")
	ann.sees(8)
	bob.sees(8)
	const name = `<b id=x>Ann</b>`
	ann.do(chromedp.Evaluate[chromedp.Void](`void (window.before = true)`))
	ann.rename(name)
	eventually(t, "the page is loaded again", func() error {
		if ok, err := chromedp.Run(ann.ctx, chromedp.Evaluate[bool](`!window.before && document.readyState === "complete"`)); !ok {
			return fmt.Errorf("not yet: %v", err)
		}
		return nil
	})
	ann.sees(8)

	// Ann's boat is there for both, under the name that is text.
	ann.do(chromedp.Click(chromedp.CSS("#map")))
	ann.until(`document.querySelector("#note").textContent === "Your boat goes to 8.0 E, 5.0 S."`)
	ann.sees(9)
	ann.names(name + " (you)")
	bob.names(name)
	ann.chooses("Petrel")
	ann.until(`[...document.querySelectorAll("#fleet :checked")].length === 1`)
	ann.shot("tracker")

	// It does not go ashore.
	left, top := ann.spot(31, 29)
	ann.do(chromedp.MouseClickXY(left, top))
	ann.until(`document.querySelector("#note").textContent === "There is no deep water."`)

	// It goes by the keyboard, too.
	ann.do(chromedp.SendKeys(chromedp.CSS("#map"), strings.Repeat(kb.ArrowUp, 12)+strings.Repeat(kb.ArrowLeft, 12)))
	ann.until(`document.querySelector("#note").textContent === "5.6 E, 2.6 S: Enter goes there."`)
	ann.shot("tracker-keyboard")
	ann.do(pressEnter)
	ann.until(`document.querySelector("#note").textContent === "Your boat goes to 5.6 E, 2.6 S."`)

	// A boat is chosen in the table.
	bob.do(chromedp.Click(chromedp.CSS("#fleet tbody tr td")))
	bob.until(`document.querySelector("#fleet tbody tr input").checked`)
	bob.do(chromedp.SendKeys(chromedp.CSS("#fleet tbody tr input"), kb.ArrowDown))
	bob.until(`document.querySelector("#fleet tbody tr:nth-child(2) input").checked`)

	// It is the same one when the page is loaded again, and there again when the server is.
	ann.do(chromedp.Reload())
	ann.sees(9)
	ann.names(name + " (you)")
	s.stop()
	ann.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
	newShow(t, strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/"))
	ann.comeBack()
	bob.comeBack()
	ann.names(name + " (you)")
	bob.names(name)
	bob.sees(9)
	ann.fine()
	bob.fine()
}
