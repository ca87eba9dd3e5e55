// Chat: a room with history, who is in it, and who is typing.

import { element, find, guest, hue, open } from "/page.js";

const title = new URLSearchParams(location.search).get("room") || "lobby";
const roomName = `chat:${encodeURIComponent(title).replaceAll("*", "%2A").slice(0, 120)}`; // it may hold no spaces and no stars
const [messages, unsent, older, form] = ["#messages", "#unsent", "#older", "#composer"].map(find);
const writers = new Map(); // who is typing, by user: the name, and a timer
let tw, room, me; // me: which user the server takes us for, whatever our name is
let ready, told; // whether the last messages are shown, and whether we said just now that we are typing
let settled; // when it is known what became of all that we said

/** Enters the room: again with each name that we take, and then goes on where we were. */
function enter(position) {
  tw?.close();
  tw = open();
  tw.on("state", ({ user }) => (me = user ?? me));
  room = tw.room(roomName, { presence: true, last: 30, position });
  room.on("chat", (data, m) => {
    types(m.from);
    messages.append(bubble(data, m, messages.lastChild));
    if (messages.childElementCount > 1000) messages.firstChild.remove();
  });
  room.on("typing", (data, m) => m.from === me || types(m.from, data.name));
  room.on("$presence", people);
  room.on("$live", () => {
    if (!ready) older.hidden = messages.childElementCount < 30;
    ready = true;
  });
  room.on("$gap", ({ reason }) => {
    for (const row of messages.children) delete row.dataset.seq; // behind the gap comes all that there is
    older.hidden = true;
    note(`Messages are missing here: ${reason === "epoch" ? "the server has started anew" : "more was said than the server keeps"}`);
  });
  room.join().catch((error) => error.code === "closed" || note(`You may not come in: ${error.message}`));
}

function bubble({ name, text, at }, { from, position }, before) {
  const time = new Date(at).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const parts = [element("span", "name", from === me ? "You" : name), element("p", "bubble", text), element("time", "meta", time)];
  const row = element("li", from === me ? "said mine" : "said", ...parts);
  Object.assign(row.dataset, { seq: position.seq, by: from + name });
  row.classList.toggle("more", row.dataset.by === before?.dataset.by); // the name stands there already
  row.style.setProperty("--hue", hue(name));
  return row;
}
const note = (text) => messages.append(element("li", "event gap", text));

/** Sends a message, and shows it as unsent until the server has stored it. */
function say(text) {
  const row = element("li", "said mine", element("p", "bubble", text), element("span", "meta", "Sending…"));
  unsent.append(row);
  const sent = room.send("chat", { text }).then(
    () => row.remove(),
    (error) => {
      const again = element("button", "small", "Send again");
      again.addEventListener("click", () => (row.remove(), say(text)));
      row.classList.add("refused");
      row.lastChild.replaceChildren(`${error.code === "unknown" ? "Perhaps" : "Not"} sent: ${error.message} `, again);
    },
  );
  settled = Promise.all([settled, sent]).then(() => {});
}

function people({ members, users }) {
  const names = new Map(members.map(({ user, session, info }) => [user || session, info.name])); // who has two tabs is one
  const items = [...names].slice(0, 50).map(([user, name]) => {
    const item = element("li", user === me ? "me" : "", name);
    item.style.setProperty("--hue", hue(name));
    return item;
  });
  find("#people").replaceChildren(...items);
  find("#count").textContent = `${users} in ${title}`;
}

/** Somebody types now, for three seconds unless we hear more, or, without a name, does not any more. */
function types(user, name) {
  clearTimeout(writers.get(user)?.timer);
  writers.delete(user);
  if (name) writers.set(user, { name, timer: setTimeout(types, 3000, user) });
  const names = [...writers.values()].slice(0, 3).map((writer) => writer.name);
  find("#typing").textContent = names.length ? `${names.join(", ")} typing…` : "";
}

older.addEventListener("click", async () => {
  const first = messages.querySelector("[data-seq]");
  const page = await room.history({ before: Number(first.dataset.seq), limit: 30 }).catch((error) => note(`Nothing came: ${error.message}`));
  if (!page || !first.dataset.seq || first.previousSibling?.dataset.seq) return; // there came a gap, or a second click
  const rows = page.messages.reduce((rows, m) => [...rows, bubble(m.data, m, rows.at(-1))], []);
  first.before(...rows);
  older.hidden = !page.more;
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = form.text.value.trim();
  if (text) say(text);
  form.reset();
  told = 0;
});
form.text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
form.text.addEventListener("input", () => {
  if (!told && room.cast("typing", {})) told = setTimeout(() => (told = 0), 1500);
});
addEventListener("beforeunload", (event) => unsent.children.length && event.preventDefault());
find("#name").value = guest.name;
find("#name").addEventListener("change", async ({ target }) => {
  guest.name = target.value = target.value.trim() || guest.name;
  while (find("#unsent li:not(.refused)")) await settled; // under the name under which it was said
  enter(room.position);
});
enter();
