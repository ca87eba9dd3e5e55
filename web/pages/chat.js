// The chat: every open tab of this page is one guest.
//
// To the server go     hello {name}, rename {name}, say {text, key}
// From it come         welcome, join, leave, renamed, said, refused, heartbeat
//
// A typed message is never lost silently: it waits in the outbox until the
// server has sent it back, through any number of reconnects, even a reload.

import { dispatch, pack } from "./dispatch.js";
import { button, element, enterSends } from "./element.js";
import { guestName } from "./guest.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { ReconnectingSocket, address } from "./socket.js";
import { StateView, explain } from "./state.js";
import { load, save } from "./store.js";
import { Transcript } from "./transcript.js";

export function startChat(root) {
  const find = (selector) => root.querySelector(selector);
  const form = find(".composer");
  const nameForm = find(".naming");
  const note = find(".note");
  const transcript = new Transcript(find(".log"));
  const people = new People(find(".count"), find(".people"));
  const seen = new Set(); // keys of the latest messages, to show each one once
  let heartbeat = 5000; // ms between the server's beats, which it tells us
  let before = false; // whether we were in the chat before this connection
  let heard = 0; // when the server last said anything
  let name = load("name", "") || guestName();
  nameForm.elements.name.value = name;

  const outbox = new Outbox({
    saved: load("outbox", []),
    save: (entries) => save("outbox", entries),
  });

  const handlers = {
    welcome(data) {
      heartbeat = data.heartbeat;
      people.enter(data.id, data.members);
      const others = people.others > 0 ? `with ${people.others} more` : "alone so far";
      // The server keeps no history, so a gap must at least be visible.
      transcript.event(before ? `You are back, ${others}; what was said meanwhile is missing here` : `You are in, ${others}`);
      before = true;
      flush();
    },
    join({ id, name }) {
      people.set(id, name);
      transcript.event(`${name} joined`);
    },
    leave({ id, name }) {
      people.delete(id);
      transcript.event(`${name} left`);
    },
    renamed({ id, name, was }) {
      people.set(id, name);
      transcript.event(`${was} is now ${name}`);
    },
    said(message) {
      if (seen.has(message.key)) return;
      seen.add(message.key);
      if (seen.size > 500) seen.delete(seen.values().next().value);
      const mine = outbox.confirm(message.key) !== undefined;
      transcript.message({ ...message, mine });
    },
    refused({ key, reason }) {
      const entry = outbox.refuse(key, reason);
      if (entry) showEntry(entry);
      else note.textContent = `The server refused: ${reason}.`;
    },
    heartbeat() {
      const heart = find(".heart");
      heart.classList.remove("beat");
      void heart.offsetWidth; // so that the animation starts anew
      heart.classList.add("beat");
    },
  };

  const socket = new ReconnectingSocket(address("/chat"), {
    onState: (state) => {
      view.show(state);
      root.dataset.state = state.name;
      if (state.name === "open") {
        heard = performance.now();
        socket.send(pack("hello", { name }));
      } else if (people.me) {
        people.exit();
        transcript.event(`Disconnected: ${explain(state.why)}`);
      }
      if (state.name === "open") return;
      outbox.disconnected();
      for (const entry of outbox) showEntry(entry);
    },
    onMessage: (data) => {
      heard = performance.now();
      if (!dispatch(data, handlers)) console.warn("a message of an unknown type:", data);
    },
  });
  const view = new StateView(find(".connection"), socket);

  // Liveness is judged by the clock, because a hidden tab's timers are slow.
  setInterval(() => {
    const silence = performance.now() - heard;
    const open = socket.state.name === "open";
    find(".beats").textContent = !open ? "no heartbeat"
      : silence < 1500 ? "heartbeat now" : `heartbeat ${Math.round(silence / 1000)} s ago`;
    if (open && silence > 3 * heartbeat + 1000) socket.drop("no heartbeat from the server");
  }, 500);

  function flush() {
    if (!people.me) return;
    outbox.flush(({ key, text }) => socket.send(pack("say", { text, key })));
    for (const entry of outbox) showEntry(entry);
  }

  function showEntry(entry) {
    transcript.pending({ ...entry, name }, entry.state !== "refused" ? [] : [
      button("Send again", () => { outbox.retry(entry.key); flush(); showEntry(entry); }),
      button("Discard", () => { outbox.discard(entry.key); transcript.remove(entry.key); }),
    ]);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = form.elements.text.value.trim();
    if (!text) return;
    if (!outbox.add(text)) {
      note.textContent = `${outbox.size} messages are waiting already. Yours stays in the box.`;
      return;
    }
    form.elements.text.value = "";
    note.textContent = "";
    for (const entry of outbox) showEntry(entry);
    flush();
  });
  enterSends(form.elements.text);

  nameForm.addEventListener("submit", (event) => event.preventDefault());
  nameForm.elements.name.addEventListener("change", ({ target }) => {
    name = target.value = target.value.trim() || guestName();
    save("name", name);
    if (people.me) socket.send(pack("rename", { name }));
  });

  for (const entry of outbox) showEntry(entry);
  return { socket, unsent: () => outbox.size };
}
