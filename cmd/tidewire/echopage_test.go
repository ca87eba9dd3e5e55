package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// shown is what the log shows last: a line for each message, and one for each of its frames, whose keys are left out.
const shown = `[...document.querySelectorAll("#rows > li")].flatMap((row) => {
	const text = (frame) => (frame.classList.contains("sent") ? "> " : "< ") +
		[...frame.children].map((part) => [...part.childNodes].filter((n) => n.className !== "key").map((n) => n.textContent).join("").trim()).join(" | ");
	if (row.classList.contains("event")) return [row.textContent];
	if (row.classList.contains("frame")) return [text(row)];
	return [row.className + ": " + row.querySelector(".payload").textContent, ...[...row.querySelectorAll(".frame")].map(text)];
})`

// logs waits until the log ends with these lines.
func (p *tab) logs(lines ...string) {
	p.t.Helper()
	p.until(`(%s).slice(-%d).join("\n") === %q`, shown, len(lines), strings.Join(lines, "\n"))
}

// types sends a message.
func (p *tab) types(text string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#payload").value = ""`), chromedp.SendKeys(chromedp.CSS("#payload"), text+"\r"))
}

// sends sends an example.
func (p *tab) sends(example string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`[...document.querySelectorAll("#examples button")].find((b) => b.textContent === %q).click()`, example)))
}

func TestEchoPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := browser(t)
	p := open(t, chromium, "the tab", s.url+"echo") // which leads to echo/
	p.until(`location.pathname === "/echo/"`)
	p.logs("Open. Extensions: permessage-deflate")
	other := open(t, chromium, "another tab", s.url+"echo/")
	other.logs("Open. Extensions: permessage-deflate")

	// What is compressed takes less on the wire than it is.
	for _, example := range []string{"JSON", "Unicode", "Bytes", "1 MiB"} {
		p.sends(example)
	}
	p.until(`[...document.querySelectorAll(".received .about")].some((about) => /^Text · 1 MiB · [\d.]+ KiB on the wire in 1 frame · back after [\d.]+ ms, /.test(about.textContent))`)
	p.until(`[...document.querySelectorAll(".sent .about")].some((about) => /^Text · 1 MiB · [\d.]+ KiB on the wire in 1 frame · /.test(about.textContent))`)
	p.until(`%s.at(-1).startsWith("< text | FIN RSV1 | ")`, shown)
	p.shot("echo-compressed")

	// Without compression the bytes are as simple as they can be.
	p.do(chromedp.Click(chromedp.CSS("#compressed")))
	p.until(`["Open. Extensions: none", "> close | FIN MASK | 0 B | 88 80", "< close | FIN | 0 B | 88 00"].every((line) => %s.includes(line))`, shown)
	p.types("hi")
	p.logs("sent: hi", "> text | FIN MASK | 2 B | 81 82", "received: hi", "< text | FIN | 2 B | 81 02")
	p.until(`/^([0-9a-f]{2} ?){4}$/.test([...document.querySelectorAll(".sent .key")].at(-1).textContent)`)
	p.do(chromedp.Click(chromedp.CSS("#format input[value=hex] + span")))
	p.types("0x00,ff")
	p.logs("sent: 00 ff", "> binary | FIN MASK | 2 B | 82 82", "received: 00 ff", "< binary | FIN | 2 B | 82 02")
	p.types("nonsense")
	p.until(`document.querySelector("#note").textContent === "bytes are pairs of hex digits, such as 00 7f ff"`)
	p.shot("echo-wrong")
	p.types("")
	p.logs("sent: ", "> binary | FIN MASK | 0 B | 82 80", "received: ", "< binary | FIN | 0 B | 82 00")
	p.until(`document.querySelector("#note").textContent === ""`)
	p.do(chromedp.Click(chromedp.CSS("#format input[value=text] + span")))
	const evil = `<img src=x onerror=boom()>`
	p.types(evil)
	p.logs("sent: "+evil, "> text | FIN MASK | 26 B | 81 9a", "received: "+evil, "< text | FIN | 26 B | 81 1a")
	p.until(`!document.querySelector("main img")`)

	// A browser cuts what is long.
	p.sends("1 MiB")
	p.until(`(() => {
		const lines = %s;
		const [first, ...more] = lines.slice(lines.findLastIndex((line) => line.startsWith("sent: tide")) + 1, -2);
		return first?.startsWith("> text | MASK | ") && more.length > 1 && more.pop().startsWith("> continuation | FIN MASK | ") &&
			more.every((line) => line.startsWith("> continuation | MASK | ")) && lines.at(-1) === "< text | FIN | 1 MiB | 81 7f 00 00 00 00 00 10 00 00";
	})()`, shown)
	p.shot("echo-fragments")

	// Frames that control the connection stand for themselves.
	p.do(chromedp.Click(chromedp.CSS("#ping")))
	p.until(`/^The server's ping took [\d.]+ ms$/m.test(%s.join("\n"))`, shown)
	p.until(`%s.slice(-3).filter((line) => /^(< ping \| FIN \| 8 B \| 89 08|> pong \| FIN MASK \| 8 B \| 8a 88)$/.test(line)).length === 2`, shown)
	p.do(selectAll("#code"), chromedp.SendKeys(chromedp.CSS("#code"), "999\r"))
	p.until(`document.querySelector("#note").textContent.includes("code")`)
	p.do(selectAll("#code"), chromedp.SendKeys(chromedp.CSS("#code"), "4321\r"))
	p.until(`["> close | FIN MASK | 2 B | 88 82", "< close | FIN | 2 B | 88 02", "Closed: 4321 "].every((line) => %s.slice(-3).includes(line))`, shown)
	p.until(`document.querySelector("#composer button").disabled && !document.querySelector("#connect").disabled`)
	p.shot("echo-closed")

	// Whoever closed it is asked before there is another one; a connection that was lost comes back by itself.
	s.stop()
	p.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
	newShow(t, s.addr())
	other.until(`%s.join().endsWith("Open. Extensions: permessage-deflate") && %[1]s.length > 2`, shown)
	other.sends("Hello")
	other.until(`%s.at(-1).startsWith("< text | FIN")`, shown)
	p.until(`document.querySelector("#state").textContent === "Connected" && !document.querySelector("#connect").disabled`)
	p.do(chromedp.Click(chromedp.CSS("#connect")))
	p.logs("Open. Extensions: none")
	p.types("hi")
	p.logs("sent: hi", "> text | FIN MASK | 2 B | 81 82", "received: hi", "< text | FIN | 2 B | 81 02")

	// Nobody saw what was not his.
	other.until(`!document.body.textContent.includes("MiB on")`)
	p.fine()
	other.fine()
}
