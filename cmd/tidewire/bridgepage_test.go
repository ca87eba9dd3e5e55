package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBridgePage has a page in a browser talk through the command to a TCP service and to a UDP echo.
func TestBridgePage(t *testing.T) {
	chromium := browser(t)
	rules := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(rules, fmt.Appendf(nil, "ws://127.0.0.1:0/tcp tcp:%s --web ../../examples/bridge/page\nws://127.0.0.1:0/udp udp:%s\n",
		echoTCP(t, "welcome"), echoUDP(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	b := bridging(t, "--rules", rules, "--drain", "0s")
	page := "http" + strings.TrimSuffix(strings.TrimPrefix(b.listens[0], "ws"), "tcp")

	p := open(t, chromium, "the page", page)
	p.until(`[...document.querySelectorAll("small")].every((state) => state.textContent === "connected")`)
	p.until(`document.querySelector("#tcp .came")?.textContent === "welcome"`)
	for i, text := range []string{"hello", "grüße, 世界", strings.Repeat("long ", 2000), strings.Repeat("wide", 100)} {
		for _, id := range []string{"tcp", "udp"} {
			p.run(fmt.Sprintf(`document.querySelector("#%s input").value = %q; document.querySelector("#%[1]s form").requestSubmit()`, id, text))
			came := fmt.Sprintf(`[...document.querySelectorAll("#%s .came")].slice(%d).map((line) => line.textContent).join("")`, id, map[string]int{"tcp": 1}[id])
			p.until(came+`.endsWith(%q)`, text)
			if id == "udp" {
				p.until(`document.querySelectorAll("#udp .came").length === %d`, i+1)
			}
		}
	}
	p.do(chromedp.EmulateViewport(900, 600))
	p.until(`[...document.querySelectorAll("html, ol")].every((box) => box.scrollWidth <= box.clientWidth)`)
	p.run(`for (const line of document.querySelectorAll("li")) line.textContent = line.textContent.slice(0, 60)`)
	p.shot("bridge")
	// What is another site's page may not.
	other := open(t, chromium, "another site's page", "about:blank")
	other.run(fmt.Sprintf(`window.other = new WebSocket(%q); other.onclose = () => (window.refused = true)`, b.listens[0]))
	other.until("window.refused")
	b.stop()
	<-b.done
	p.until(`document.querySelector("#tcp small").textContent.startsWith("closed: 1001")`)
	p.until(`document.querySelector("#tcp button").disabled`) // what would go nowhere cannot be said
	p.shot("bridge-closed")
}
