package main

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// sailor is a tab with the page.
type sailor struct{ *tab }

// seaAt returns where a place of the sea is on the screen.
func (p sailor) seaAt(x, y float64) (float64, float64) {
	p.t.Helper()
	box, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](`(({ left, top, width, height }) => [left, top, width, height])(document.querySelector("#sea").getBoundingClientRect())`))
	if err != nil {
		p.t.Fatal(err)
	}
	return box[0] + x*box[2], box[1] + y*box[3]
}

// mouse moves the mouse to a place of the sea, and clicks there if it is to.
func (p sailor) mouse(x, y float64, click bool) {
	p.t.Helper()
	left, top := p.seaAt(x, y)
	types := []input.DispatchMouseEventType{input.DispatchMouseEventTypeMouseMoved}
	if click {
		types = append(types, input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased)
	}
	p.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		for _, typ := range types {
			params := input.DispatchMouseEventParams{Type: typ, X: left, Y: top}
			if click {
				params.Button, params.ClickCount = input.MouseButtonLeft, 1
			}
			if _, err = cdp.Call(ctx, t, input.DispatchMouseEvent, params); err != nil {
				return none, err
			}
		}
		return none, nil
	})
}

// tap touches a place of the sea.
func (p sailor) tap(x, y float64) {
	p.t.Helper()
	left, top := p.seaAt(x, y)
	p.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		touch := input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: left, Y: top}}}
		if _, err = cdp.Call(ctx, t, input.DispatchTouchEvent, touch); err == nil {
			touch.Type, touch.TouchPoints = input.DispatchTouchEventTypeTouchEnd, []*input.TouchPoint{}
			_, err = cdp.Call(ctx, t, input.DispatchTouchEvent, touch)
		}
		return none, err
	})
}

// press presses a key so many times.
func (p sailor) press(key string, code int64, times int) {
	p.t.Helper()
	p.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		for range times {
			for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
				if _, err = cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: typ, Key: key, Code: key, WindowsVirtualKeyCode: code, NativeVirtualKeyCode: code}); err != nil {
					return none, err
				}
			}
		}
		return none, nil
	})
}

// fish returns where the fish is.
func (p sailor) fish() (x, y float64) {
	p.t.Helper()
	p.until(`document.querySelector("#fish").style.length`)
	at, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](`["--x", "--y"].map((axis) => Number(document.querySelector("#fish").style.getPropertyValue(axis)))`))
	if err != nil {
		p.t.Fatal(err)
	}
	return at[0], at[1]
}

// water returns a place where the fish is out of reach.
func (p sailor) water() (x, y float64) {
	p.t.Helper()
	if x, _ = p.fish(); x < 0.5 {
		return 0.9, 0.5
	}
	return 0.1, 0.5
}

// sees waits until the page shows somebody's cursor there.
func (p sailor) sees(name string, x, y float64) {
	p.t.Helper()
	p.until(`(() => {
		const node = [...document.querySelectorAll("#pointers .cursor")].find((cursor) => cursor.textContent === %q);
		if (!node) return false;
		const sea = document.querySelector("#sea").getBoundingClientRect();
		const at = node.getBoundingClientRect();
		return Math.hypot(at.left - sea.left - %f * sea.width, at.top - sea.top - %f * sea.height) < 3;
	})()`, name, x, y)
}

// points waits until the page shows who has how many points, the best first: "Ada 1,Grace 0".
func (p sailor) points(want string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll("#points li")].map((li) => li.firstChild.textContent + " " + li.lastChild.textContent).join() === %q`, want)
}

func TestCursorsPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	enter := func(t *testing.T, room, name string) sailor {
		t.Helper()
		p := sailor{open(t, chromium, name+"'s tab", "about:blank")}
		p.before(fmt.Sprintf(`sessionStorage.name ||= %q;
			const { send } = WebSocket.prototype;
			window.casts = [];
			WebSocket.prototype.send = function (text) {
				if (text.includes('"type":"at"')) casts.push(performance.now());
				send.call(this, text);
			};`, name))
		p.do(chromedp.Navigate(s.url + "cursors/?room=" + url.QueryEscape(room)))
		p.until(`document.querySelector("#state").textContent === "Connected" && document.querySelector("#points .me .name")?.textContent === %q`, name)
		t.Cleanup(p.fine)
		return p
	}

	stays, leaves := enter(t, "leave", "Ada"), enter(t, "leave", "Grace")
	stays.until(`document.querySelectorAll("#pointers .cursor").length === 2`)
	leaves.end()

	t.Run("two tabs", func(t *testing.T) {
		ada, grace := enter(t, "two", "Ada"), enter(t, "two", "Grace")
		grace.do(chromedp.EmulateViewport(390, 844))
		grace.until("innerWidth === 390")
		ada.mouse(0.25, 0.75, false)
		grace.sees("Ada", 0.25, 0.75)
		grace.mouse(0.9, 0.4, false)
		ada.sees("Grace", 0.9, 0.4)
		ada.sees("You", 0.25, 0.75)
		// Who comes later sees those who do not move, too.
		late := enter(t, "two", "Hedy")
		late.sees("Ada", 0.25, 0.75)
		late.sees("Grace", 0.9, 0.4)
		late.end()
		// By keyboard.
		ada.run(`document.querySelector("#sea").focus()`)
		ada.press("ArrowRight", 39, 5)
		ada.press("ArrowUp", 38, 10)
		grace.sees("Ada", 0.35, 0.55)
		ada.press("ArrowLeft", 37, 30)
		grace.sees("Ada", 0, 0.55)
		x, y := grace.water()
		grace.tap(x, y)
		ada.sees("Grace", x, y)
		grace.until(`document.querySelector("#news").textContent.startsWith("Missed:")`)
		// However often a cursor moves, few messages tell so, and the last one says where it stays.
		ada.run(`window.before = casts.length;
			(async () => {
				const sea = document.querySelector("#sea");
				const { left, top, width, height } = sea.getBoundingClientRect();
				for (let i = 1; i <= 300; i++) {
					sea.dispatchEvent(new PointerEvent("pointermove", { clientX: left + (i / 400) * width, clientY: top + (i / 400) * height }));
					if (i % 5 === 0) await new Promise((done) => setTimeout(done, 8));
				}
				window.moved = true;
			})()`)
		ada.until("window.moved")
		grace.sees("Ada", 0.75, 0.75)
		ada.until(`casts.slice(1).every((at, i) => at - casts[i] > 40) && casts.length - before >= 5`)
		// Who does not move says nothing.
		ada.run(`window.before = casts.length`)
		grace.mouse(0.3, 0.3, false)
		ada.sees("Grace", 0.3, 0.3)
		ada.until("casts.length === before")
	})

	t.Run("game", func(t *testing.T) {
		ada, grace := enter(t, "game", "Ada"), enter(t, "game", "Grace")
		ada.points("Ada 0,Grace 0")
		x, y := ada.fish()
		ada.mouse(x, y, false)
		grace.sees("Ada", x, y)
		ada.shot("cursors")
		ada.mouse(x, y, true)
		grace.points("Ada 1,Grace 0")
		grace.until(`document.querySelector("#news").textContent.startsWith("Ada has it! Next: ")`)
		ada.until(`document.querySelector("#news").textContent.startsWith("You have it! ")`)
		ada.shot("cursors-caught")
		for n := 1; n <= 2; n++ {
			x, y = grace.fish()
			grace.tap(x, y)
			grace.until(`document.querySelector("#points").textContent.includes("Grace%d")`, n)
		}
		ada.points("Grace 2,Ada 1")
		// By keyboard: what the page says is enough to find it.
		ada.run(`document.querySelector("#sea").focus()`)
		ada.press("ArrowDown", 40, 1)
		ada.until(`/^The fish is \d+ (left|right), \d+ (up|down)\.$/.test(document.querySelector("#news").textContent)`)
		var sideways, along int
		var side, way string
		if _, err := fmt.Sscanf(ada.text(`document.querySelector("#news").textContent.replace(/[,.]/g, "")`), "The fish is %d %s %d %s", &sideways, &side, &along, &way); err != nil {
			t.Fatal(err)
		}
		keys := map[string]struct {
			key  string
			code int64
		}{"left": {"ArrowLeft", 37}, "up": {"ArrowUp", 38}, "right": {"ArrowRight", 39}, "down": {"ArrowDown", 40}}
		ada.press(keys[side].key, keys[side].code, sideways)
		ada.press(keys[way].key, keys[way].code, along)
		ada.do(pressEnter)
		ada.points("Ada 2,Grace 2")
		// Points survive another name, a cut, and a reload.
		ada.rename("Augusta")
		grace.points("Augusta 2,Grace 2")
		s.leave()
		ada.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
		x, y = ada.water()
		ada.mouse(x, y, true)
		ada.shot("cursors-cut")
		s.comeBack(ada.tab, grace.tab)
		grace.sees("Augusta", x, y)
		grace.do(chromedp.Reload())
		grace.points("Augusta 2,Grace 2")
	})

	t.Run("text only", func(t *testing.T) {
		const evil = `<img src=x onerror=hit=1>`
		ada, eve := enter(t, evil, "Ada"), enter(t, evil, evil)
		x, y := eve.fish()
		eve.mouse(x, y, true)
		ada.points(evil + " 1,Ada 0")
		ada.sees(evil, x, y)
		ada.until(`document.querySelector("#news").textContent.startsWith(%q)`, evil+" has it!")
		ada.shot("cursors-evil")
		for _, p := range []sailor{ada, eve} {
			p.until(`document.querySelector("#count").textContent === %q && window.hit === undefined && !document.querySelector("main :is(img, script, a)")`, "2 in "+evil)
		}
	})
	// Who has closed the page vanishes, some seconds later.
	stays.until(`document.querySelectorAll("#pointers .cursor").length === 1 && document.querySelector("#count").textContent === "1 in leave"`)

	// A server that starts anew has a new game.
	x, y := stays.fish()
	stays.mouse(x, y, true)
	stays.points("Ada 1")
	addr := s.url[len("http://") : len(s.url)-1]
	s.stop()
	stays.until(`document.querySelector("#state").textContent !== "Connected"`)
	newShow(t, addr)
	stays.points("Ada 0")
	x, y = stays.fish()
	stays.mouse(x, y, true)
	stays.points("Ada 1")
}
