// Tracker: boats on a map, in a room that keeps the latest position of each boat.
// We say where our boat should go. It is the server who sails it there. The islands are a picture in index.html.

import { find, guest, hue, open } from "/page.js";

const [WIDTH, HEIGHT] = [160, 100]; // of the map, in cables: tenths of a nautical mile
const pen = find("#map").getContext("2d"), { canvas } = pen;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const shapes = ["M0-10L5 8L0 5L-5 8Z", "M14 0A14 14 0 1 1-14 0A14 14 0 1 1 14 0", "M-7 0H7M0-7V7", "M-5-5L5 5M5-5L-5 5"];
const [HULL, RING, CROSS, GOAL] = shapes.map((shape) => new Path2D(shape));
const boats = new Map(); // by id: the last report, where the boat was drawn then, its trail, and its row in the table
const key = (sessionStorage.boat ||= crypto.getRandomValues(new Uint32Array(4)).join("-")); // the server knows our boat by it
let own, goal = JSON.parse(sessionStorage.goal ?? "null"); // its id, and where it goes
let cross = { x: WIDTH / 2, y: HEIGHT / 2 }; // what the arrow keys move
const scale = () => canvas.clientWidth / WIDTH; // pixels of a cable
const note = (text) => (find("#note").textContent = text);
const where = ({ x, y }) => `${(x / 10).toFixed(1)} E, ${(y / 10).toFixed(1)} S`;
const colour = (name) => getComputedStyle(canvas).getPropertyValue(name);

/** Takes a report of where a boat is. */
function take(report) {
  const boat = boats.get(report.id) ?? launch(report);
  const trail = report.at - boat.at < 3000 ? boat.trail : []; // or we were away
  Object.assign(boat, { from: place(boat), since: performance.now(), trail: [...trail, report].slice(-120) }, report);
  boat.row.querySelector("b").textContent = boat.id === own ? `${boat.name} (you)` : boat.name;
  [boat.speed.toFixed(1), `${boat.course}°`, where(boat)].forEach((text, i) => (boat.row.cells[i + 1].textContent = text));
  for (const { id, at, row } of boats.values()) {
    if (report.at - at > 3000 && boats.delete(id)) row.remove(); // nothing was heard of it
  }
}

function launch(report) {
  const row = find("#row").content.firstElementChild.cloneNode(true);
  find("tbody").append(row);
  const boat = { ...report, row, radio: row.querySelector("input"), from: report, since: 0, trail: [] };
  boats.set(report.id, boat);
  return boat;
}

/** Where a boat is drawn: on its way from where it was drawn to where it was reported. */
function place({ from, since, x, y, course }) {
  const part = still.matches ? 1 : Math.min(1, (performance.now() - since) / 600);
  const turn = ((course - from.course + 540) % 360) - 180; // the shorter way round
  return { x: from.x + part * (x - from.x), y: from.y + part * (y - from.y), course: from.course + part * turn };
}

function draw() {
  requestAnimationFrame(draw);
  canvas.width = canvas.clientWidth * devicePixelRatio; // which also clears it
  canvas.height = canvas.clientHeight * devicePixelRatio;
  Object.assign(pen, { font: "600 12px system-ui, sans-serif", lineWidth: 2, strokeStyle: colour("--wake") });
  for (const boat of boats.values()) paint(boat, place(boat));
  pen.strokeStyle = colour("--accent-strong");
  if (boats.has(own)) moveTo(goal).stroke(GOAL);
  if (canvas.matches(":focus-visible")) moveTo(cross).stroke(CROSS);
}

/** Moves the pen to a place on the map, to draw in pixels from there. */
function moveTo({ x, y }) {
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.translate(x * scale(), y * scale());
  return pen;
}

function paint({ name, guest, speed, course, radio, trail }, at) {
  moveTo({ x: 0, y: 0 }).beginPath();
  for (const { x, y } of [...trail.slice(radio.checked ? 0 : -8, -1), at]) pen.lineTo(x * scale(), y * scale());
  pen.stroke();
  pen.fillStyle = guest ? `hsl(${hue(name)} ${colour("--tone")})` : colour("--text");
  pen.textAlign = at.x > WIDTH / 2 ? "right" : "left";
  moveTo(at).fillText(`    ${name}${radio.checked ? ` ${speed} kn ${course}°` : ""}    `, 0, 4);
  if (radio.checked) pen.stroke(RING);
  pen.rotate((at.course * Math.PI) / 180);
  pen.fill(HULL);
}

/** Chooses the boat at a place on the map, or sends ours there. */
function pick(at) {
  const near = [...boats.values()].find(({ x, y }) => Math.hypot(x - at.x, y - at.y) < 14 / scale());
  if (near) near.radio.checked = true;
  else sail(at);
}

function sail(to) {
  note(`Your boat goes to ${where(to)}.`);
  const sailed = ({ id }) => ([own, goal, sessionStorage.goal] = [id, to, JSON.stringify(to)]);
  tw.call("tracker.sail", { key, ...to }).then(sailed, ({ message }) => note(message));
}
canvas.addEventListener("click", ({ offsetX, offsetY }) => pick({ x: offsetX / scale(), y: offsetY / scale() }));
const steps = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] };
canvas.addEventListener("keydown", (event) => {
  const [east, south] = steps[event.key] ?? [];
  if (event.key === "Enter") pick(cross);
  if (east === undefined || event.altKey || event.metaKey) return;
  event.preventDefault(); // the page does not scroll
  cross = { x: Math.min(WIDTH, Math.max(0, cross.x + east)), y: Math.min(HEIGHT, Math.max(0, cross.y + south)) };
  note(`${where(cross)}: Enter goes there.`);
});
find("#name").value = guest.name;
find("#name").addEventListener("change", ({ target }) => {
  guest.name = target.value.trim();
  location.reload(); // the server gives our boat the new name
});
const tw = open();
tw.on("state", ({ phase }) => phase === "open" && goal && sail(goal)); // so that we have our boat again
const room = tw.room("tracker:sea");
room.on("boat", take);
room.join().catch(({ message }) => note(message));
draw();
