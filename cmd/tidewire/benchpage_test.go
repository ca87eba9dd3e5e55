package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The page that bench writes, opened from its file as its reader does: each scenario has its charts, and they fit.
// (That of the CPU time is there where the clock can be read.)
func TestBenchPageInBrowser(t *testing.T) {
	b := browser(t)
	for _, tc := range []struct{ args, charts string }{
		{"--size=1000 --compress=takeover", "Throughput,Latency,Latency,Errors,Connections"},
		{"--scenario=idle", "Errors,Connections"},
	} {
		page := filepath.Join(t.TempDir(), "r.html")
		args := append(strings.Fields(tc.args), "ws://"+serve(t).host+"/echo", "-q", "-d", "2100ms", "--warmup=0s", "--html", page)
		if code, _, stderr := bench(t, args...); code != exitDone {
			t.Fatalf("exit status %d: %s", code, stderr)
		}
		p := open(t, b, "report", "file://"+page)
		p.until(`[...document.querySelectorAll(".chart")].filter((c) => c.offsetParent && c.querySelector("canvas").width > 100)
			.map((c) => c.innerText.split(" ")[0]).filter((c) => c !== "CPU").join() === %q`, tc.charts)
		p.until(`document.body.innerText.includes("Compression: ") === %t`, strings.Contains(tc.args, "compress"))
		for _, width := range []int64{360, 1280} {
			p.do(chromedp.EmulateViewport(width, 800))
			p.until(`innerWidth === %d && document.documentElement.scrollWidth <= innerWidth &&
				[...document.querySelectorAll("canvas")].every((c) => c.getBoundingClientRect().right <= c.closest(".chart").getBoundingClientRect().right)`, width)
		}
		p.mu.Lock()
		if len(p.complaints) > 0 {
			t.Errorf("the page complains: %s", strings.Join(p.complaints, "; "))
		}
		p.mu.Unlock()
	}
}
