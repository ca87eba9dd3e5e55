// Prices: a stream that is too fast to read, in a room that keeps the latest price of each symbol.
// A browser takes in whatever comes, however slow its page is. So a page that cannot keep up closes the tap itself.
// uPlot, which draws the chart, is a script of its own: index.html has it.

import { find, open } from "/page.js";

const WINDOW = 60_000; // ms in the chart
const [pace, body, figure, why] = ["#pace", "#quotes tbody", "#chart", "#why"].map(find);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const money = (cents) => (cents / 100).toFixed(2);
const rows = new Map(); // of the table, by symbol; row.quote is what is in it
const tw = open();
let room, timer; // the timer opens the tap again
let chosen = sessionStorage.symbol ?? "TIDE";
let data = [[], []]; // times and prices of the chosen symbol
let first, read, newest = 0; // numbers of updates: before those that we count, how many of them came, the last that did

/** Opens the tap: joins the room, which begins with the latest price of each symbol. */
function listen() {
  clearTimeout(timer);
  room?.leave();
  room = tw.room("prices:market");
  room.on("quote", take);
  room.on("$live", caughtUp);
  room.join().catch((error) => /left|closed/.test(error.code) || (why.textContent = `No prices: ${error.message}`));
}

/** We have the latest of each symbol. What follows comes as it is published, unless we close the tap for a while. */
function caughtUp() {
  if (first === undefined) [first, read] = [newest, 0];
  if (pace.value === "0") return rows.has(chosen) && choose(chosen);
  room.leave();
  room = undefined;
  timer = setTimeout(listen, pace.value * 1000);
}

function take(quote) {
  const row = rows.get(quote.symbol) ?? addRow(quote);
  newest = quote.n;
  if (newest === row.quote.n) return; // we have it, from before we left
  read++;
  if (quote.symbol === chosen) plot(quote);
  show(row, quote);
}

function addRow({ symbol, name }) {
  const row = find("#row").content.firstElementChild.cloneNode(true);
  Object.assign(row, { id: symbol, quote: {} });
  row.querySelector("b").textContent = symbol;
  row.querySelector("span").textContent = name;
  row.addEventListener("change", () => choose(symbol));
  body.insertBefore(row, [...body.rows].find((other) => other.id > symbol) ?? null);
  rows.set(symbol, row);
  if (symbol === chosen) choose(symbol);
  return row;
}

function show(row, quote) {
  const [, last, change] = row.cells;
  const rise = (quote.last / quote.open - 1) * 100;
  last.textContent = money(quote.last);
  change.textContent = `${rise < 0 ? "▼ −" : "▲ +"}${Math.abs(rise).toFixed(2)} %`;
  change.className = rise < 0 ? "down" : "up";
  const wash = quote.last < row.quote.last ? "var(--bad-wash)" : "var(--good-wash)";
  if (!still.matches) last.animate([{ background: wash }, {}], 400);
  row.quote = quote;
}

/** Draws another symbol, or the same one anew: from what it cost in the last minute. */
async function choose(symbol) {
  if (symbol !== chosen) data = [[], []];
  chosen = sessionStorage.symbol = symbol;
  rows.get(symbol).querySelector("input").checked = true;
  const past = await tw.call("prices.past", symbol).catch(() => {}); // the connection is lost: we come here again
  if (past && symbol === chosen) data = [past.at, past.last];
}

function plot({ at, last }) {
  if (at <= data[0].at(-1)) return;
  data[0].push(at);
  data[1].push(last);
  while (data[0][0] < at - WINDOW) data.forEach((list) => list.shift());
}

const colour = (name) => () => getComputedStyle(figure).getPropertyValue(name);
const size = () => ({ width: figure.clientWidth, height: figure.clientHeight });
const lines = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
const axis = (space, size, text) => ({ ...lines, space, size, values: (_, marks) => marks.map((value) => text(value)) });
const chart = new uPlot({
  ...size(), ms: 1, legend: { show: false }, cursor: { show: false },
  scales: { x: { range: (_, from, to) => [to - WINDOW, to] } },
  axes: [axis(90, 30, (ms) => new Date(ms).toLocaleTimeString()), axis(40, 60, money)],
  series: [{}, { width: 2, stroke: colour("--accent"), fill: colour("--accent-wash"), paths: uPlot.paths.stepped({ align: 1 }) }],
}, data, figure);
new ResizeObserver(() => chart.setSize(size())).observe(figure);

function draw() {
  const [times, prices] = data;
  if (!times.length) return;
  chart.setData(data);
  find("#title").textContent = `${chosen}: ${money(Math.min(...prices))} to ${money(Math.max(...prices))} in the last minute`;
  if (first === undefined) return;
  const published = newest - first;
  for (const [id, n] of Object.entries({ published, read, spared: published - read })) find(`#${id}`).textContent = n.toLocaleString();
}
setInterval(draw, 50);
pace.addEventListener("change", listen);
tw.on("state", () => ([first, newest] = [undefined, 0])); // after a cut we count anew, as the server may have begun anew
listen();
