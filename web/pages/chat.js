// The chat: every open tab of this page is one guest in one room.
//
// To the server go     chat {name, text} to the room, and here {room, name}
// From it come         chat {name, text, at} and people {count, people}
//
// A typed message is never lost silently: it waits in the outbox until the server
// has stored it, through any number of reconnects, even a reload. And what others
// say meanwhile comes when we are back.

import { button, enterSends } from "./element.js";
import { guestName } from "./guest.js";
import { Heart } from "./heart.js";
import { Outbox, newKey } from "./outbox.js";
import { People } from "./people.js";
import { Publisher } from "./publisher.js";
import { Recent } from "./recent.js";
import { Room } from "./room.js";
import { address } from "./socket.js";
import { StateView, explain } from "./state.js";
import { load, save } from "./store.js";
import { Transcript } from "./transcript.js";

// Why messages are missing, in the words of the server and of the page.
const gaps = {
  epoch: "Messages may be missing here: the server has started anew and forgotten what was said",
  evicted: "Messages are missing here: more was said than the server keeps",
  rewound: "Messages may be missing here: the server has lost some",
  slow: "Messages are missing here: they came faster than this page could take them",
};

export function startChat(root, roomName) {
  const find = (selector) => root.querySelector(selector);
  const [form, nameForm, note] = [find(".composer"), find(".naming"), find(".note")];
  const transcript = new Transcript(find(".log"));
  const people = new People(find(".count"), find(".people"));
  const seen = new Recent(); // ids of messages: a server that started anew may be sent one again
  const own = new Recent(load(`own ${roomName}`, [])); // and which of them are ours
  let [here, before] = [false, false]; // whether we are in the room, and whether we ever were
  let name = load("name", "") || guestName();
  const client = load("client", "") || newKey();
  save("client", client);
  nameForm.elements.name.value = name;

  const handlers = {
    chat({ name, text, at }, { mid }) {
      if (seen.has(mid)) return;
      seen.add(mid);
      confirm(mid);
      transcript.message({ key: mid, name, text, at, mine: own.has(mid) });
    },
    people(crowd) {
      heart.beat();
      const others = crowd.people.filter(({ id }) => id !== room.session).length;
      if (others === crowd.count) return; // we are still to be counted
      for (const line of people.show(room.session, crowd)) transcript.event(line);
    },
    $live() {
      if (!here) transcript.event(before ? "You are back" : "You are in");
      here = before = true;
      sayName();
      publisher.flush();
    },
    $gap: ({ reason }) => transcript.event(gaps[reason] ?? "Messages may be missing here", "event gap"),
    $left({ reason }) {
      here = false;
      people.clear();
      transcript.event(`You are not in this room any more: ${reason}`);
    },
    $degraded: ({ rooms }) => (note.textContent = rooms ? "The server cannot store messages at the moment." : ""),
    $error: ({ message }) => (note.textContent = `The server did not let you in: ${message}.`),
  };

  const room = new Room(address("/chat"), roomName, {
    client,
    on: handlers,
    onState: (state) => {
      view.show(state);
      root.dataset.state = state.name;
      if (state.name === "open") return;
      if (here) transcript.event(`Disconnected: ${explain(state.why)}`);
      here = false;
      people.clear();
      publisher.disconnected();
    },
  });
  const view = new StateView(find(".connection"), room.socket);
  const heart = new Heart(root, room);

  const outbox = new Outbox({
    saved: load(`outbox ${roomName}`, []),
    save: (entries) => save(`outbox ${roomName}`, entries),
  });
  const publisher = new Publisher(outbox, room, {
    message: (text) => ({ type: "chat", data: { name, text } }),
    onChange: showOutbox,
    onStored: (key) => {
      confirm(key);
      transcript.stored(key);
    },
  });

  // confirm takes a message that the server has out of the outbox, if it is ours.
  function confirm(mid) {
    if (!outbox.confirm(mid)) return;
    own.add(mid);
    save(`own ${roomName}`, [...own]);
  }

  function showOutbox() {
    for (const entry of outbox) {
      transcript.pending({ ...entry, name }, entry.state !== "refused" ? [] : [
        button("Send again", () => { outbox.retry(entry.key); publisher.flush(); }),
        button("Discard", () => { outbox.discard(entry.key); transcript.remove(entry.key); }),
      ]);
    }
  }

  function sayName() {
    room.request({ type: "here", data: { room: roomName, name } }, ({ type, data }) => {
      if (type !== "$error") return;
      if (data.retryable) setTimeout(sayName, data.retryAfter ?? 1000);
      else note.textContent = `The server refused: ${data.message}.`;
    });
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
    publisher.flush();
  });
  enterSends(form.elements.text);

  nameForm.addEventListener("submit", (event) => event.preventDefault());
  nameForm.elements.name.addEventListener("change", ({ target }) => {
    name = target.value = target.value.trim() || guestName();
    save("name", name);
    if (here) sayName();
  });

  showOutbox();
  return { socket: room.socket, unsent: () => outbox.size };
}
