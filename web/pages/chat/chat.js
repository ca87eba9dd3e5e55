// Chat: a room with history, who is in it, and who is typing.

import { element, find, guest, hue, open } from "/page.js";

const roomName = `chat:${new URLSearchParams(location.search).get("room") || "lobby"}`;
const [log, messages, unsent, older, form] = ["#log", "#messages", "#unsent", "#older", "#composer"].map(find);
const own = new Set(JSON.parse(sessionStorage.own ?? "[]")); // ids of our sessions
const writers = new Map(); // who is typing: their timers
let tw, room, first, told; // first: the number of the oldest message that is shown; told: when we said that we are typing

/** Enters the room: again with each name that we take. */
function enter(position) {
  tw?.close();
  tw = open();
  tw.on("state", ({ session }) => session && (sessionStorage.own = JSON.stringify([...own.add(session)].slice(-20))));
  room = tw.room(roomName, { presence: true, last: 30, position });
  room.on("chat", (data, m) => {
    first ??= m.position.seq;
    older.hidden = first <= 1;
    types(data.name);
    show(messages, bubble(data));
  });
  room.on("typing", ({ name, session }) => own.has(session) || types(name, true));
  room.on("$presence", people);
  room.on("$gap", ({ reason }) => note(`Messages are missing here: ${reason}`));
  room.on("$left", ({ message }) => note(`You are not in this room any more: ${message}`));
  room.join().catch((error) => error.code === "closed" || note(`You may not come in: ${error.message}`));
}

function bubble({ name, text, at, session }) {
  const mine = own.has(session);
  const time = element("time", "", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  const row = element("li", mine ? "said mine" : "said", element("span", "name", mine ? "You" : name), element("p", "bubble", text), element("span", "meta", time));
  row.style.setProperty("--hue", hue(name));
  return row;
}

const note = (text) => show(messages, element("li", "event", text));

/** Adds a row to a list, and stays at the end of the log unless the reader has scrolled up. */
function show(list, row) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  list.append(row);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/** Sends a message, and shows it as unsent until the server has stored it. */
function say(text) {
  const row = element("li", "said mine", element("p", "bubble", text), element("span", "meta", "Sending…"));
  show(unsent, row);
  room.send("chat", { text }).then(
    () => row.remove(),
    (error) => {
      const again = element("button", "small", "Send again");
      again.addEventListener("click", () => (row.remove(), say(text)));
      row.classList.add("refused");
      row.lastChild.replaceChildren(`Not sent: ${error.message} `, again);
    },
  );
}

function people({ members, sessions }) {
  find("#count").textContent = `${sessions} here`;
  find("#people").replaceChildren(
    ...members.slice(0, 50).map(({ session, info }) => {
      const item = element("li", own.has(session) ? "me" : "", info.name);
      item.style.setProperty("--hue", hue(info.name));
      return item;
    }),
  );
}

/** Somebody types now, for three seconds unless we hear more, or has said it. */
function types(name, now) {
  clearTimeout(writers.get(name));
  writers.delete(name);
  if (now) writers.set(name, setTimeout(types, 3000, name));
  const names = [...writers.keys()].slice(0, 3).join(", ");
  find("#typing").textContent = names && `${names} typing…`;
}

older.addEventListener("click", async () => {
  const page = await room.history({ before: first, limit: 30 });
  first = page.messages[0]?.position.seq ?? 1;
  older.hidden = !page.more;
  messages.prepend(...page.messages.filter((m) => m.type === "chat").map((m) => bubble(m.data)));
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = form.text.value.trim();
  if (text) say(text);
  told = 0;
  form.reset();
});
form.text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
addEventListener("beforeunload", (event) => unsent.children.length && event.preventDefault());
form.text.addEventListener("input", () => {
  if (!(Date.now() - told < 1500) && room.cast("typing", {})) told = Date.now();
});
find("#name").value = guest.name;
find("#name").addEventListener("change", ({ target }) => {
  guest.name = target.value = target.value.trim() || guest.name;
  enter(room.position);
});
enter();
