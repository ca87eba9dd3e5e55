package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	permissions "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// cameras starts a Chromium with a camera and a microphone whose picture moves, and a user who allows them.
func cameras(t *testing.T) context.Context {
	t.Helper()
	chromium := browser(t,
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
	)
	allow(t, chromium, "", permissions.PermissionSettingGranted)
	return chromium
}

// allow has the user allow camera and microphone to an origin, "" is all, or refuse them.
func allow(t *testing.T, chromium context.Context, origin string, setting permissions.PermissionSetting) {
	t.Helper()
	for _, name := range []string{"camera", "microphone"} {
		if _, err := chromedp.CallBrowser(chromium, permissions.SetPermission, permissions.SetPermissionParams{
			Permission: &permissions.PermissionDescriptor{Name: name}, Origin: origin, Setting: setting,
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// dial opens the page of a call in a new tab, under that name. First it runs the script in it.
func dial(t *testing.T, chromium context.Context, name, url, script string) *tab {
	t.Helper()
	p := open(t, chromium, name+"'s tab", "about:blank")
	p.do(func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		script := fmt.Sprintf("if (location.protocol !== 'about:') sessionStorage.name ??= %q;\n%s", name, script)
		_, err = cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return none, err
	}, chromedp.Navigate(url))
	return p
}

// says waits until the page says how the call is.
func (p *tab) says(status string) {
	p.t.Helper()
	p.until(`document.querySelector("#call")?.textContent === %q`, status)
}

// watches waits until the tab is in a call with somebody, and the picture from there moves: it has changed three times, and
// was never black.
func (p *tab) watches(name string) {
	p.t.Helper()
	p.says("In a call with " + name)
	p.do(chromedp.Evaluate[chromedp.Void](`window.last = "", window.moves = 0`))
	p.until(`(() => {
		const video = document.querySelector("#remote");
		if (video.readyState < 2 || !video.checkVisibility({ visibilityProperty: true })) return false;
		const canvas = new OffscreenCanvas(32, 24).getContext("2d", { willReadFrequently: true });
		canvas.drawImage(video, 0, 0, 32, 24);
		const pixels = canvas.getImageData(0, 0, 32, 24).data;
		const black = pixels.every((n, i) => i %% 4 === 3 || n < 60);
		if (!black && pixels.join() !== last) moves++;
		last = pixels.join();
		return moves > 3;
	})()`)
}

// tracks waits until these kinds of tracks come from the other end.
func (p *tab) tracks(kinds string) {
	p.t.Helper()
	p.until(`[...(document.querySelector("#remote").srcObject?.getTracks() ?? [])].map((t) => t.kind).sort().join() === %q`, kinds)
}

// lacks waits until the page says that the other one has these off.
func (p *tab) lacks(what string) {
	p.t.Helper()
	p.until(`[...document.querySelectorAll("#them figcaption span:not([hidden])")].map((s) => s.textContent).join() === %q`, what)
}

// alt presses a key with Alt.
func alt(key string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeChar, input.DispatchKeyEventTypeKeyUp} {
			if _, err = cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{
				Type: typ, Key: key, Text: key, UnmodifiedText: key, Modifiers: 1,
			}); err != nil {
				return none, err
			}
		}
		return none, nil
	}
}

func TestVideoPage(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := cameras(t)
	const evil = `<img src=x onerror=boom()>`
	room := s.url + "video/?room=tea%20for%202:%20*" // any text is one
	ada := dial(t, chromium, "Ada", room, "")
	ada.says("Nobody else is here yet")
	ada.shot("video-alone")
	grace := dial(t, chromium, evil, room, "")
	ada.watches(evil)
	grace.watches("Ada")
	ada.tracks("audio,video")
	grace.tracks("audio,video")
	ada.until(`!document.querySelector("main img")`)
	ada.shot("video-call")

	// One end mutes itself, by keyboard.
	grace.do(alt("c"), alt("m"))
	grace.until(`document.querySelectorAll(".switch[aria-pressed=false]").length === 2`)
	ada.lacks("Microphone off,Camera off")
	ada.shot("video-muted")
	grace.shot("video-mute")
	grace.do(alt("c"))
	ada.lacks("Microphone off")
	ada.watches(evil)

	// A tab that is loaded again is in the call again. What was muted is not.
	ada.do(chromedp.Evaluate[chromedp.Void](`new MutationObserver(() => (window.gone ||= !document.querySelector("#remote").srcObject)).observe(document.querySelector("#call"), { childList: true })`))
	grace.do(chromedp.Reload())
	grace.watches("Ada")
	ada.until("window.gone")
	ada.watches(evil)
	ada.lacks("")

	// A third one waits at the door.
	alan := dial(t, chromium, "Alan", room, "")
	alan.says("This call is full: two are in it. You come in when one of them leaves")
	alan.shot("video-full")

	// Who hangs up makes room.
	grace.do(alt("h"))
	grace.says("You hung up")
	grace.until(`document.querySelector("#local").srcObject.getTracks().every((t) => t.readyState === "ended")`)
	grace.shot("video-over")
	alan.watches("Ada")
	ada.watches("Alan")
	ada.do(chromedp.Click(chromedp.CSS("#hang-up")))
	alan.says("Nobody else is here yet")
	grace.do(chromedp.Click(chromedp.CSS("#controls .button")))
	grace.watches("Alan")
	alan.watches(evil)

	// The server goes away, and comes back.
	s.stop()
	alan.until(`document.querySelector("#state").textContent === "Reconnecting…"`)
	newShow(t, s.addr())
	grace.watches("Alan")
	alan.watches(evil)
	ada.fine()
	grace.fine()
	alan.fine()
}

// Who has not all devices, or refuses, gives what there is, and gets everything.
func TestVideoPageWithoutDevices(t *testing.T) {
	s := newShow(t, "127.0.0.1:0")
	chromium := cameras(t)
	without := func(kind string) string {
		return fmt.Sprintf(`{
			const devices = navigator.mediaDevices;
			const real = devices?.getUserMedia.bind(devices);
			if (devices) devices.getUserMedia = async (wanted) => {
				if (wanted.%s) throw new DOMException("none", "NotFoundError");
				return real(wanted);
			};
		}`, kind)
	}
	// Their offers cross, with different tracks in them.
	ada := dial(t, chromium, "Ada", s.url+"video/", without("video"))
	grace := dial(t, chromium, "Grace", s.url+"video/", without("audio"))
	ada.watches("Grace")
	ada.tracks("video")
	ada.lacks("Microphone off")
	grace.says("In a call with Ada")
	grace.tracks("audio")
	grace.lacks("Camera off")
	ada.until(`document.querySelector("#camera").disabled && !document.querySelector("#microphone").disabled &&
		document.querySelector("#note").textContent === "Camera or microphone: not found. The call works with what there is."`)
	ada.shot("video-no-camera")

	// Alan, who comes by another name of this machine, refuses. What he does not send, he still gets.
	ada.do(chromedp.Click(chromedp.CSS("#hang-up")))
	other := strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	allow(t, chromium, strings.Trim(other, "/"), permissions.PermissionSettingDenied)
	alan := dial(t, chromium, "Alan", other+"video/", "")
	alan.until(`document.querySelector("#note").textContent === "Camera or microphone: not allowed. The call works with what there is."`)
	alan.watches("Grace")
	grace.says("In a call with Alan")
	grace.lacks("Microphone off,Camera off")
	alan.shot("video-refused")

	// Grace's camera goes away.
	allow(t, chromium, strings.Trim(s.url, "/"), permissions.PermissionSettingDenied)
	alan.lacks("Microphone off,Camera off")

	// Nobody sends anything, and still they meet.
	grace.do(chromedp.Click(chromedp.CSS("#hang-up")))
	alan.says("Nobody else is here yet")
	ada.do(chromedp.Reload())
	ada.says("In a call with Alan")
	ada.lacks("Microphone off,Camera off")
	ada.until(`document.querySelector("#them").className === "connected"`)
	alan.fine()
	ada.fine()
	grace.fine()
}
