// Cursors: everybody's pointer in one sea, and a fish for whoever is there first.

import { element, find, guest, hue, open } from "/page.js";

const title = new URLSearchParams(location.search).get("room") || "lobby";
const roomName = `cursors:${encodeURIComponent(title).replaceAll("*", "%2A").slice(0, 120)}`; // it may hold no spaces and no stars
const [sea, fish, splash, own] = ["#sea", "#fish", "#splash", "#own"].map(find);
const others = new Map(); // cursors, by who has them
const at = { x: 0.3 + 0.4 * Math.random(), y: 0.5 }; // where ours is
const arrows = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] };
let tw, room, me; // me: which user the server takes us for, whatever our name is
let crowd, board; // who is here, and how the game stands: the fish, everybody's points, the last catch
let moved, resting; // whether we have moved since we told the others, and whether that was just now

/** Comes into the room: again with each name that we take. */
function enter() {
  tw?.close();
  tw = open();
  tw.on("state", ({ user }) => (me = user ?? me));
  room = tw.room(roomName, { presence: true });
  room.on("at", (place) => place.who === me || put(others.get(place.who) ?? arrive(place), place));
  room.on("board", play);
  room.on("$presence", (now) => (people((crowd = now)), move(at.x, at.y))); // who is new has not heard of us
  room.join().catch((error) => error.code === "closed" || say(`You may not come in: ${error.message}`));
  tint(own, guest.name);
}

const say = (text) => (find("#news").textContent = text);
const tint = (node, name) => (node.style.setProperty("--hue", hue(name)), node); // gives it the colour of a name

function arrive({ who, name }) {
  const node = tint(element("div", "cursor", element("span", "", name)), name);
  others.set(who, node);
  find("#pointers").append(node);
  return node;
}

/** Puts something where it is: 0 to 1 both ways, so that screens of all sizes agree. The style sheet makes it smooth. */
function put(node, { x, y }) {
  node.style.setProperty("--x", x);
  node.style.setProperty("--y", y);
}

function move(x, y) {
  at.x = Math.min(Math.max(x, 0), 1);
  at.y = Math.min(Math.max(y, 0), 1);
  put(own, at);
  moved = true;
  if (!resting) tell();
}

/** Tells the others where we are: at most 20 times a second, however often that changes. */
function tell() {
  if (moved) room.cast("at", at);
  resting = moved && setTimeout(tell, 50);
  moved = false;
}

/** Takes the fish, if we are there and the first. The server knows that, by what we have told it. */
function grab() {
  room.cast("at", at);
  const told = ({ by }) => by && say(`${by} was faster.`);
  const failed = (error) => say(`Missed: ${error.message}.`);
  tw.call("cursors.catch", { room: roomName, fish: board?.fish.number }, { timeout: 3000 }).then(told, failed);
}

/** Shows how the game stands. */
function play(now) {
  const caught = board && board.fish.number !== now.fish.number && now.last;
  board = now;
  put(fish, board.fish);
  if (crowd) people(crowd);
  if (!caught) return;
  put(splash, caught);
  splash.animate({ opacity: [1, 1, 0] }, 1500);
  say(`${caught.who === me ? "You have" : `${caught.name} has`} it! Next: ${where()}.`);
}

/** Says where the fish is, in strokes of the arrow keys. */
function where() {
  const way = (d, less, more) => `${Math.abs(Math.round(d * 50))} ${d < 0 ? less : more}`;
  return `${way(board.fish.x - at.x, "left", "right")}, ${way(board.fish.y - at.y, "up", "down")}`;
}

/** Shows who is there with their points, and takes away the cursors of those who are not. */
function people({ members, users }) {
  const here = new Map(members.map(({ user, session, info }) => [user || session, info.name])); // who has two tabs is one
  const points = (who) => board?.points[who] ?? 0;
  const best = [...here].sort(([a, x], [b, y]) => points(b) - points(a) || x.localeCompare(y));
  const row = ([who, name]) => tint(element("li", who === me ? "me" : "", element("span", "name", name), element("b", "", points(who))), name);
  find("#points").replaceChildren(...best.map(row));
  find("#count").textContent = `${users} in ${title}`;
  for (const [who, node] of others) if (!here.has(who)) others.delete(who, node.remove());
}

for (const type of ["pointermove", "pointerdown"]) {
  sea.addEventListener(type, ({ offsetX, offsetY }) => {
    move(offsetX / sea.clientWidth, offsetY / sea.clientHeight);
    if (type === "pointerdown") grab();
  });
}
sea.addEventListener("keydown", (event) => {
  const arrow = arrows[event.key];
  if (!arrow && event.key !== "Enter") return;
  event.preventDefault();
  if (arrow) move(at.x + arrow[0], at.y + arrow[1]);
  if (arrow && board) say(`The fish is ${where()}.`);
  if (!arrow && !event.repeat) grab();
});
find("#name").value = guest.name;
find("#name").addEventListener("change", ({ target }) => {
  guest.name = target.value = target.value.trim() || guest.name;
  enter();
});
enter();
