package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// The page that check writes, opened from its file as its reader does.
func TestCheckPageInBrowser(t *testing.T) {
	page := filepath.Join(t.TempDir(), "r.html")
	check(t, shouting(t), "--only=1.1.*,12.1.1", "--html", page)
	p := open(t, browser(t), "report", "file://"+page+"#1.1.2")
	shown := func(ids string) {
		t.Helper()
		p.until(`[...document.querySelectorAll("details")].filter((d) => d.offsetParent).map((d) => d.id).join() === %q`, ids)
	}
	click := func(verdict string) {
		p.until(`document.querySelector(".chip input[value=%s]").click() === undefined`, verdict)
	}
	shown("1.1.1,1.1.2,1.1.3,1.1.4,1.1.5,1.1.6,1.1.7,1.1.8,12.1.1")
	p.until(`document.getElementById("1.1.2").open && document.getElementById("1.1.2").innerText.includes("00000000  81 ")`)
	click("pass")
	click("fail")
	shown("12.1.1")
	p.until(`[...document.querySelectorAll("section")].filter((s) => s.offsetParent).length === 1`)
	click("fail")
	p.until(`(document.querySelector("input[type=search]").value = "MESSAGE 65535") && document.querySelector("input[type=search]").dispatchEvent(new Event("input"))`)
	shown("1.1.6")
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.complaints) > 0 {
		t.Errorf("the page complains: %s", strings.Join(p.complaints, "; "))
	}
}
