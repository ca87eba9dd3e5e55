// The echo console: what goes out, what comes back, and how long that took. The
// browser shows whole messages; it keeps the frames they travelled in to itself.

import { formatHex, formatSize, parseHex, utf8Length } from "./bytes.js";
import { clock, element, enterSends } from "./element.js";
import { Log } from "./log.js";
import { ReconnectingSocket, address } from "./socket.js";
import { StateView, explain } from "./state.js";

const largest = 32 * 1024 * 1024; // the server's limit for one message
const preview = 240; // characters or bytes of a message that the log shows

const examples = {
  hello: ["text", "Hello, tide!"],
  json: ["text", '{"type":"say","data":"hi"}'],
  emoji: ["text", "naïve café · 日本語 · 🌊"],
  bytes: ["binary", "00 01 7f 80 fe ff"],
};

export function startEcho(root) {
  const find = (selector) => root.querySelector(selector);
  const log = new Log(find(".log"));
  const form = find("form");
  const note = find(".note");
  const totals = { sent: 0, received: 0, bytes: 0 };
  let open = false;
  let waiting = []; // the times of the messages that have not come back yet

  const socket = new ReconnectingSocket(address("/echo"), {
    onState: (state) => {
      view.show(state);
      waiting = [];
      if (state.name === "open") {
        note.textContent = ""; // it may say that there is no connection
        const { extensions } = state;
        line(extensions ? `Open, with ${extensions.split(";")[0]}` : "Open, without compression");
      } else if (open) {
        line(`Ended: ${explain(state.why)}`);
      }
      open = state.name === "open";
    },
    onMessage: (data) => {
      const sentAt = waiting.shift();
      const took = sentAt === undefined ? null : performance.now() - sentAt;
      row("received", data, took);
    },
  });
  const view = new StateView(find(".connection"), socket);

  // row shows one message. data is a string (text) or an ArrayBuffer (binary).
  function row(direction, data, took = null) {
    const text = typeof data === "string";
    const size = text ? utf8Length(data) : data.byteLength;
    totals[direction] += 1;
    totals.bytes += size;
    find(".totals").textContent =
      `${totals.sent} sent · ${totals.received} received · ${formatSize(totals.bytes)}`;
    let shown = text ? data.slice(0, preview) : formatHex(new Uint8Array(data, 0, Math.min(size, preview)));
    if ((text ? data.length : size) > preview) shown += " …";
    if (size === 0) shown = "(empty)";
    const arrow = element("span", "arrow", direction === "sent" ? "↑" : "↓");
    arrow.ariaHidden = "true";
    const item = element(
      "li",
      direction,
      arrow,
      element("span", "unseen", direction),
      element("span", "payload", shown),
      element("span", "type", text ? "text" : "binary"),
      element("span", "size", formatSize(size)),
      element("span", "took", took === null ? "" : `${took.toFixed(1)} ms`),
      clock(new Date(), "2-digit"),
    );
    item.dataset.type = text ? "text" : "binary";
    log.append(item);
  }

  function line(text) {
    log.append(element("li", "event", text, " ", clock(new Date(), "2-digit")));
  }

  // send returns why the message was not sent, or "" if it was.
  function send(data) {
    const size = typeof data === "string" ? utf8Length(data) : data.byteLength;
    if (size > largest) return `Not sent: ${formatSize(size)} is more than the server's ${formatSize(largest)}.`;
    if (socket.buffered > 2 * largest) return "Not sent: too much is still on its way.";
    const now = performance.now();
    if (!socket.send(data)) return "Not sent: there is no connection. Your text is still here.";
    waiting.push(now);
    row("sent", data);
    return "";
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      const { payload, format } = form.elements;
      note.textContent = send(format.value === "binary" ? parseHex(payload.value).buffer : payload.value);
      if (note.textContent === "") payload.select();
    } catch (error) {
      note.textContent = `Not sent: ${error.message}.`;
    }
  });
  form.elements.payload.addEventListener("input", () => (note.textContent = ""));
  enterSends(form.elements.payload);

  find(".examples").addEventListener("click", ({ target }) => {
    const { example } = target.dataset;
    if (example === "large") {
      note.textContent = send("tidewire ".repeat(116_509).slice(0, 1024 * 1024)); // 1 MiB
    } else if (example) {
      [form.elements.format.value, form.elements.payload.value] = examples[example];
      form.requestSubmit();
    }
  });
  find(".clear").addEventListener("click", () => log.clear());
  return socket;
}
