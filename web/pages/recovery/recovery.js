// Recovery: what is published while the line is cut comes in order when it is back, as far as the history reaches.

import { element, find, open } from "/page.js";

const tw = open();
const [cut, hangUp, line, why] = ["#cut", "#hang-up", "#line", "#cause"].map(find);
const reasons = { evicted: "the history does not reach back so far", epoch: "the server has started anew" };
const rows = ["long", "short"].map(follow); // both rooms are told the same numbers: 1, 2, 3 and so on

/** Joins a room, and shows its numbers in a row. After a reload it goes on where the page was. */
function follow(name) {
  const { last, position } = JSON.parse(sessionStorage[`recovery:${name}`] ?? "{}");
  const room = tw.room(`recovery:${name}`, { position });
  const row = { room, last, list: find(`#${name}`), verdict: find(`#${name}-verdict`) };
  lose(row);
  room.on("number", ({ n }) => take(row, n));
  room.on("$gap", ({ reason }) => {
    row.gap = reason;
    if (reason === "epoch") forget(row);
  });
  room.on("$live", () => regain(row)); // what the history had has come
  room.join().catch((error) => say(row, "", `You may not come in: ${error.message}.`));
  return row;
}

/** The line is lost: until it is back, we count for ourselves what comes behind the last number that we have. */
function lose(row) {
  if (row.away) return;
  Object.assign(row, { away: true, before: row.last, came: 0, missing: 0, published: undefined });
}

/** The line is back. We ask the server how many numbers it has published meanwhile: it has counted, too. */
async function regain(row) {
  row.away = false;
  if (!row.before) return; // there is nothing to compare: as on the first visit
  try {
    row.published = await tw.call("recovery.since", row.before);
    judge(row);
  } catch (error) {
    say(row, "", `Nobody can say how many you have missed: ${error.message}.`);
  }
}

/** The server has lost what it had, and counts from 1 again. */
function forget(row) {
  row.before = undefined;
  say(row, "", "The server has started anew: what it had is gone.");
}

/** Shows a number, and whether there are some missing before it. */
function take(row, n) {
  const missing = n - (row.last ?? n - 1) - 1;
  const reason = reasons[row.gap] ?? row.gap;
  if (row.gap === "epoch") show(row, "gap", reason);
  else if (missing) show(row, "gap", `${missing} missing: ${reason}`);
  show(row, row.away ? "late" : "", n);
  row.gap = undefined;
  row.last = n;
  row.came += 1;
  row.missing += missing;
  judge(row);
}

function show({ list }, className, text) {
  list.append(element("li", className, text));
  if (list.childElementCount > 500) list.firstChild.remove();
}

/** Holds what has come against what the server says, as soon as we have the last number that it has counted. */
function judge(row) {
  if (!row.published || row.last < row.published.last) return;
  const { published, last } = row.published;
  const came = row.came - (row.last - last); // without those that it has not counted
  row.published = undefined;
  if (came + row.missing !== published) say(row, "", `That is wrong: ${came} came and ${row.missing} are missing, of ${published}.`);
  else if (!row.missing) say(row, "all", `${published} published meanwhile: none lost, ${came} in order.`);
  else say(row, "some", `${published} published meanwhile: ${came} came, in order, and you were told that ${row.missing} are missing.`);
}

const say = ({ verdict }, className, text) => Object.assign(verdict, { className: `verdict ${className}`, textContent: text });

/** Shows how the line is. A wait without an end is ours. */
function draw({ phase, error, wait }) {
  const ours = wait === Infinity;
  if (phase === "waiting") rows.forEach(lose);
  line.className = phase;
  hangUp.disabled = phase !== "open";
  cut.textContent = ours ? "Plug it in" : "Cut the line";
  if (ours) find("#state").textContent = "Cut"; // page.js knows of no waits without an end
  const texts = {
    connecting: "Connecting…",
    open: "The line is up.",
    waiting: ours ? "You have cut it. The server goes on counting." : `It is lost (${error?.message}): the next try is in ${(wait / 1000).toFixed(1)} s.`,
    closed: `It is over: ${error?.message}.`,
  };
  why.textContent = texts[phase];
}

tw.on("state", draw);
draw(tw.state);
cut.addEventListener("click", () => (tw.state.wait === Infinity ? tw.resume() : tw.pause()));
hangUp.addEventListener("click", () => tw.call("recovery.cut").catch(() => {})); // who hangs up does not answer
addEventListener("pagehide", () => {
  for (const { room, last } of rows) sessionStorage[room.name] = JSON.stringify({ last, position: room.position });
});
