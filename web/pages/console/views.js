// The tables of rooms and sessions, a room by itself, and a session by itself.

import { element, find } from "/page.js";
import { ask } from "/console/ask.js";
import { bytes, count, horizon, many, span } from "/console/format.js";
import { button, Table } from "/console/table.js";

const roomLink = (name) => `#room=${encodeURIComponent(name)}`;
const userName = (user) => user || "a stranger";

export function showViews(tw, about) {
  const changes = changer(tw);
  const rooms = new Table(find("#rooms-view"), tw, "console.rooms", {
    label: "Search rooms", sorted: "-members", columns: [
      { key: "name", name: "Room", sort: "up", wide: true, text: (r) => r.name, link: (r) => roomLink(r.name) },
      { key: "members", name: "Members", sort: "down", text: (r) => count(r.members) },
      { key: "rate", name: "Messages/s", sort: "down", text: (r) => count(r.rate) },
      { key: "horizon", name: "Recoverable", sort: "up", text: (r) => horizon(r, about.backoffMax).text, mark: (r) => horizon(r, about.backoffMax).short && "short" },
    ],
  });
  const columns = [
    { key: "user", name: "User", sort: "up", wide: true, text: (s) => userName(s.user), link: (s) => `#session=${s.id}` },
    { key: "id", name: "Session", wide: true, text: (s) => s.id },
    { key: "address", name: "Address", sort: "up", wide: true, text: (s) => s.address },
    { key: "age", name: "Age", sort: "down", text: (s) => span(s.age) },
    { key: "queued", name: "Queued", sort: "down", text: (s) => bytes(s.queued) },
    { key: "rooms", name: "Rooms", sort: "down", text: (s) => count(s.rooms) },
    { name: "Disconnect", act: (s) => changes.session(s) },
  ];
  const table = (place, label, sorted) => new Table(find(place), tw, "console.sessions", { label, sorted, columns });
  const sessions = table("#sessions-view", "Search users, ids, addresses, rooms", "-age");
  const members = table("#room-sessions", "Search its sessions", "user");
  return { rooms, sessions, room: roomView(tw, about, members, changes), session: sessionView(tw, changes) };
}

/** What can be changed, each behind a question. */
function changer(tw) {
  const change = (type, data, withReason, title, word, done, what) =>
    ask({ title, what, word, withReason, done, act: (reason) => tw.call(`console.${type}`, withReason ? { ...data, reason } : data) });
  return {
    session: ({ id, user, address, rooms }) => change("disconnect", { session: id }, true, "Disconnect a session?", "Disconnect it", `Session ${id} was disconnected.`,
      `Session ${id} of ${userName(user)}, from ${address}, in ${count(rooms)} rooms, is closed with 4403. Its client does not come back by itself.`),
    user: (user) => change("disconnect", { user }, true, "Disconnect a user?", "Disconnect the user", `The user ${user} was disconnected.`,
      `All sessions of ${user}, on all nodes, are closed with 4403. Their clients do not come back by themselves.`),
    remove: (room, user) => change("remove", { room, user }, false, "Remove a user from a room?", "Remove the user", `${user} was removed from ${room}.`,
      `All sessions of ${user}, on all nodes, leave ${room} and are told so. They may join again, if the application lets them.`),
    publish: (message, members) => change("publish", message, false, "Publish a message?", "Publish it", `${message.type} was published to ${message.room}.`,
      `A message of type ${message.type}, with ${message.data.length} characters of data, goes to ${message.room}: to ${members} sessions on this node, and those on others. `
      + (message.volatile ? "It is not stored." : "It is stored, where the room has a history, and cannot be taken back.")),
  };
}

function facts(list, entries) {
  list.replaceChildren(...entries.map(([name, text, className]) => element("div", "", element("dt", "", name), element("dd", className, text))));
}

function messageRow({ seq, type, from, volatile, data, size }) {
  const about = `${seq ? `#${seq} ` : ""}${from ? `from ${from} ` : ""}${volatile ? "volatile " : ""}${size > 1024 ? `${bytes(size)}, cut` : ""}`;
  return element("li", "", element("b", "", type), " ", element("span", "about", about), element("code", "", data));
}

/** A room: who is there, and what is said, as it comes. */
function roomView(tw, about, members, changes) {
  const [list, crowd, form] = ["#feed", "#crowd", "#publish"].map(find);
  let name, feed, timer, here = 0, turn = 0;

  const add = (rows) => {
    const low = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
    list.append(...rows);
    while (list.childElementCount > 200) list.firstChild.remove();
    if (low) list.scrollTop = list.scrollHeight;
  };
  const look = async () => {
    const asked = turn;
    const room = await tw.call("console.room", { room: name }).catch((error) => ({ error }));
    if (asked !== turn) return;
    if (room.error) return facts(find("#room-facts"), [["Not shown", room.error.message]]);
    const { text, short } = horizon(room, about.backoffMax);
    here = room.members;
    facts(find("#room-facts"), [["Members on this node", count(room.members)], ["Messages a second", count(room.rate)], ["Recoverable", text, short ? "short" : ""]]);
    people(room.presence);
    return room;
  };
  const begin = async () => {
    end();
    const mine = turn;
    timer = setInterval(() => document.hidden || look(), 5000);
    const first = await look();
    if (mine !== turn) return;
    list.replaceChildren();
    if (!first?.feed) return first && add([...first.messages.map(messageRow), element("li", "note", "Messages do not come by themselves here.")]);
    feed = tw.room(first.feed);
    const drawn = feed.join().catch(() => {}).then(look).then(({ messages } = first) => { // looked again: what was stored before the feed comes would be missed
      if (mine === turn) add(messages.map(messageRow));
      return new Set(messages.map(({ mid }) => mid));
    });
    feed.on("batch", async ({ messages, skipped }) => {
      const known = await drawn;
      if (mine !== turn || find("#pause").getAttribute("aria-pressed") === "true") return;
      const rows = messages.filter(({ mid }) => !mid || !known.has(mid)).map(messageRow);
      if (skipped) rows.unshift(element("li", "note", `${count(skipped)} more came here than can be shown`));
      add(rows);
    });
    feed.on("$left", () => mine === turn && begin());
  };
  const people = (presence) => {
    find("#crowd-count").textContent = presence ? `${many(presence.users, "user")}, ${many(presence.sessions, "session")}, on all nodes` : "This room has no presence; its sessions are below.";
    const rows = (presence?.members ?? []).map(({ user, session, info }) => {
      const out = button("small change", "Remove…", () => changes.remove(name, user));
      Object.assign(out, { hidden: !user, ariaLabel: `Remove ${user} from the room…` });
      const link = Object.assign(element("a", "", userName(user)), { href: `#session=${session}` });
      return element("li", "", link, element("span", "about", info ?? ""), out);
    });
    const held = crowd.contains(document.activeElement) && document.activeElement.closest("li")?.firstChild.hash; // who has the focus keeps it
    crowd.replaceChildren(...rows);
    if (held) (rows.find((row) => row.firstChild.hash === held)?.lastChild ?? crowd).focus();
  };
  const end = () => (turn++, clearInterval(timer), feed?.leave(), (feed = undefined));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    changes.publish({ room: name, type: find("#type").value, data: find("#data").value, volatile: find("#volatile").checked }, here);
  });
  find("#data").addEventListener("input", ({ target }) => {
    try {
      target.setCustomValidity([JSON.parse(target.value)] && "");
    } catch (error) {
      target.setCustomValidity(`No JSON: ${error.message}`);
    }
  });
  return {
    show(room) {
      name = room;
      find("#room-name").textContent = `Room ${room}`;
      members.show({ room });
      begin();
    },
    hide: () => (members.hide(), end()),
  };
}

/** A session: what is known of it, and its rooms. */
function sessionView(tw, changes) {
  let one, timer;
  const look = async (id) => {
    const s = await tw.call("console.session", { id }).catch((error) => ({ error }));
    const [list, rooms] = ["#session-facts", "#session-rooms"].map(find);
    one = s.error ? undefined : s;
    find("#end-session").disabled = !one;
    find("#end-user").disabled = !one?.user;
    if (s.error) return facts(list, [["Not shown", s.error.message]]);
    facts(list, [["User", userName(s.user)], ["Address", s.address], ["Age", span(s.age)], ["Queued", bytes(s.queued)], ["Messages that wait", count(s.waiting)], ["Rooms", count(s.rooms)]]);
    if (!rooms.contains(document.activeElement)) rooms.replaceChildren(...(s.names ?? []).map((name) => element("li", "", Object.assign(element("a", "", name), { href: roomLink(name) }))));
  };
  find("#end-session").addEventListener("click", () => one && changes.session(one));
  find("#end-user").addEventListener("click", () => one && changes.user(one.user));
  return {
    show(id) {
      find("#session-name").textContent = `Session ${id}`;
      clearInterval(timer);
      timer = setInterval(() => document.hidden || look(id), 3000);
      look(id);
    },
    hide: () => clearInterval(timer),
  };
}
