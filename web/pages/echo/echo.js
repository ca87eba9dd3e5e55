// Echo: what is sent comes back. A browser shows whole messages; which frames carried them, the server tells through a room.

import { element, find, open } from "/page.js";

const [log, rows, form, closing] = ["#log", "#rows", "#composer", "#closing"].map(find);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
const size = (n) => (n < 1024 ? `${n} B` : n < 1048576 ? `${Number((n / 1024).toFixed(1))} KiB` : `${Number((n / 1048576).toFixed(1))} MiB`);
const id = hex(crypto.getRandomValues(new Uint8Array(16))).replaceAll(" ", ""); // who knows it could see our frames
const messages = new Map(); // what is shown of each, by connection, direction and number
let [connection, socket, counts, times] = [0]; // our connection and its number; its messages; when those were sent that are not back

function connect() {
  if (socket?.readyState < WebSocket.CLOSING) return; // there is one
  const query = `frames=${id}&connection=${++connection}${find("#compressed").checked ? "" : "&plain"}`;
  socket = new WebSocket(new URL(`/echo?${query}`, location.href.replace("http", "ws")));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => tell(`Open. Extensions: ${socket.extensions || "none"}`);
  socket.onmessage = ({ data }) => show("received", data, `back after ${(performance.now() - times.shift()).toFixed(1)} ms, `);
  socket.onclose = ({ code, reason }) => tell(`Closed: ${code} ${reason}`);
  [counts, times] = [{ sent: 0, received: 0 }, []];
}

/** Adds a row to a list, and stays at the end of the log unless the reader has scrolled up. */
function add(row, list = rows) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  list.append(row);
  if (rows.children.length > 200) rows.firstChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function tell(text) {
  add(element("li", "event", text));
  const isOpen = String(socket.readyState === WebSocket.OPEN);
  for (const control of document.querySelectorAll("[data-open]")) control.disabled = control.dataset.open !== isOpen;
}

/** Has f change what is shown of a message. Whoever hears of it first makes it: we, or the server that tells of its frames. */
function change(way, number, connection, f) {
  const key = `${connection} ${way} ${number}`;
  const m = messages.get(key) ?? { size: "", time: "", wire: 0, count: 0, about: element("p", "about"), frames: element("ol", "frames") };
  if (messages.set(key, m).size > 400) messages.delete(messages.keys().next().value);
  f(m);
  const wire = `${size(m.wire)} on the wire in ${m.count} frame${m.count === 1 ? "" : "s"} · `;
  m.about.textContent = `${m.size} · ${m.count ? wire : ""}${m.time}`;
}

/** Shows a message. */
function show(way, data, took = "") {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
  const text = typeof data === "string" ? data : hex(bytes.subarray(0, 100));
  change(way, counts[way]++, connection, (m) => {
    m.size = `${typeof data === "string" ? "Text" : "Binary"} · ${size(bytes.length)}`;
    m.time = `${took}${new Date().toLocaleTimeString()}`;
    add(element("li", way, element("p", "payload", text.length > 240 ? `${text.slice(0, 240)} …` : text), m.about, m.frames));
  });
}

/** Shows a frame: below its message, or, if it controls the connection, by itself. */
function showFrame({ sent, message, opcode, fin, rsv1, masked, length, header }, connection) {
  const way = sent ? "sent" : "received";
  const flags = [fin && "FIN", rsv1 && "RSV1", masked && "MASK"].filter(Boolean).join(" ");
  const [bytes, key] = masked ? [header.slice(0, -11), header.slice(-11)] : [header, ""];
  const code = element("code", "", bytes, element("span", "key", key));
  const row = element("li", `frame ${way}`, element("b", "", opcode), element("span", "", flags), element("span", "", size(length)), code);
  if (message < 0) return add(row);
  change(way, message, connection, (m) => {
    m.wire += header.split(" ").length + length;
    if (++m.count <= 20) add(row, m.frames);
  });
}

function parseHex(text) {
  const digits = text.replace(/0x|[\s,:-]/gi, "");
  if (digits.length % 2 || /[^\da-f]/i.test(digits)) throw new Error("bytes are pairs of hex digits, such as 00 7f ff");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function send(format, text) {
  const data = format === "hex" ? parseHex(text) : text;
  socket.send(data);
  times.push(performance.now());
  show("sent", data);
}

/** Has f called for an event, and says what is wrong. */
function on(type, target, f) {
  target.addEventListener(type, async (event) => {
    event.preventDefault();
    const done = new Promise((resolve) => resolve(f())); // which is refused also where f throws
    find("#note").textContent = await done.then(() => "", ({ message }) => message);
  });
}

on("submit", form, () => send(form.format.value, form.payload.value));
for (const b of document.querySelectorAll("#examples button")) on("click", b, () => send(b.dataset.format, b.value.repeat(b.dataset.times ?? 1)));
on("click", find("#ping"), async () => tell(`The server's ping took ${await tw.call("echo.ping", id)} ms`));
on("submit", closing, () => (socket.close(Number(closing.code.value)), (socket.left = true)));
on("click", find("#connect"), connect);
on("change", find("#compressed"), () => (socket.addEventListener("close", connect), socket.close()));
const tw = open();
const room = tw.room(`echo:${id}`);
room.on("frames", ({ connection, frames, missed }) => {
  for (const f of frames) showFrame(f, connection);
  if (missed) tell(`${missed} more frames passed, too fast to be shown`);
});
room.on("$live", () => socket?.left || connect());
room.join();
