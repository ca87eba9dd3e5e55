// The charts: ten minutes of samples, of which one comes each second. uPlot draws them; index.html has it.

import { element, find } from "/page.js";
import { bytes, count, horizon, ms, span } from "/console/format.js";

const WINDOW = 600; // seconds
const plot = (title, text, lines) => ({ title, text, lines });
const charts = [
  plot("Connections", count, { sessions: (s) => s.sessions, users: (s) => s.users }),
  plot("Messages a second", count, { in: (s) => s.in, out: (s) => s.out }),
  plot("Bytes a second", bytes, { in: (s) => s.bytesIn, out: (s) => s.bytesOut }),
  plot("Latency", ms, { "handler p50": (s) => s.handler?.[0], p99: (s) => s.handler?.[1], "to members p50": (s) => s.delivery?.[0], "p99 ": (s) => s.delivery?.[1] }),
  plot("Queued for sessions", bytes, { all: (s) => s.queue?.bytes, greatest: (s) => s.queue?.greatest }),
  plot("Waiting", count, { publishes: (s) => s.publishing, "for handlers": (s) => s.queue?.waiting }),
  plot("Drops", count, { "slow members": (s) => s.slow ?? zero(s), gaps: (s) => s.gaps ?? zero(s) }),
  plot("Errors", count, {}), // by code
];
const zero = (s) => s.sessions && 0; // what is 0 is left out of a sample; a hole in time has nothing at all
const powers = Array.from({ length: 50 }, (_, i) => 2 ** i); // between marks of bytes
const all = []; // samples, oldest first
let paused, visible;

export function showCharts(tw, about, warn) {
  const box = find("#charts");
  for (const chart of charts) draw(chart, box);
  follow(tw, warn);
  hot(tw, about);
  find("#pause").addEventListener("click", ({ target }) => {
    paused = !paused;
    target.setAttribute("aria-pressed", paused);
    target.textContent = paused ? "Go on" : "Pause";
    update();
  });
  box.addEventListener("keydown", move);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(({ u }) => u.redraw(false)));
  document.addEventListener("visibilitychange", update);
  return { shown: (is) => ((visible = is), update()) };
}

/** Gets the samples that there are, 200 at a time, and each that follows. */
function follow(tw, warn) {
  const room = tw.room("samples", { last: 200 });
  let first, caught;
  room.on("sample", (sample, m) => {
    first ??= m.position?.seq;
    const last = all.at(-1)?.at;
    if (sample.at <= last) return;
    if (sample.at - last > 5000) all.push({ at: last + 1000 }); // nothing is known of what is between
    all.push(sample);
    while (all.length > WINDOW) all.shift();
    if (caught) update();
    warn(sample);
  });
  room.on("$live", async () => {
    caught = true;
    update();
    for (let before = first; before > 1 && all.length < WINDOW; ) {
      const page = await room.history({ before, limit: 200 }).catch(() => {});
      if (!page?.messages.length) break;
      all.unshift(...page.messages.map((m) => m.data));
      before = page.more ? page.messages[0].position.seq : 0;
    }
    first = 0;
    all.splice(0, Math.max(0, all.length - WINDOW));
    update();
  });
  room.on("$gap", () => (all.length = 0));
  room.join().catch(() => {});
}

const clock = (s) => new Date(s * 1000).toLocaleTimeString("en-GB");
const colour = (name) => () => getComputedStyle(document.body).getPropertyValue(name);

/** Makes the figure of a chart, or makes it anew with other lines. */
function draw(chart, box) {
  chart.u?.destroy();
  chart.figure ??= box.appendChild(element("figure"));
  chart.place = element("div", "plot");
  chart.values = Object.keys(chart.lines).map(() => element("b", "", "–"));
  const legend = Object.keys(chart.lines).map((name, i) => element("span", `line line-${i + 1}`, name, " ", chart.values[i]));
  const caption = element("figcaption", "", element("span", "title", chart.title), ...legend);
  caption.id = `chart-${charts.indexOf(chart)}`;
  chart.place.setAttribute("role", "img");
  chart.place.setAttribute("aria-labelledby", caption.id);
  chart.figure.replaceChildren(caption, chart.place);
  const lines = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const size = () => ({ width: chart.place.clientWidth || 300, height: chart.place.clientHeight || 150 });
  chart.u = new uPlot({
    ...size(), legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { sync: { key: "console" }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
    scales: { x: { range: (_, from, to) => [Math.min(from, to - 60), to] }, y: { range: (_, from, to) => [0, (to || 1) * 1.1] } },
    axes: [
      { ...lines, space: 80, size: 26, values: (_, at) => at.map((s) => clock(s)) },
      { ...lines, space: 32, size: 66, incrs: chart.text === bytes ? powers : undefined, values: (_, at) => at.map((n) => chart.text(n)) },
    ],
    series: [{}, ...chart.values.map((_, i) => ({ width: 1.6, stroke: colour(`--line-${i + 1}`), dash: i % 2 ? [5, 3] : undefined, spanGaps: chart.text === ms, points: { show: false } }))],
    hooks: { setCursor: [() => tell(chart)] },
  }, [[], ...chart.values.map(() => [])], chart.place);
  chart.observer?.disconnect();
  chart.observer = new ResizeObserver(() => chart.u.setSize(size()));
  chart.observer.observe(chart.place);
}

/** Writes the values at the cursor, or the last ones. */
function tell(chart) {
  const { data, cursor } = chart.u;
  const i = cursor.idx ?? data[0].length - 1;
  chart.values.forEach((value, k) => (value.textContent = data[k + 1]?.[i] == null ? "–" : chart.text(data[k + 1][i])));
  const at = data[0][i];
  if (chart === charts[0] && at) find("#when").textContent = clock(at);
}

/** Draws what there is, unless nobody can see it. */
function update() {
  if (paused || !visible || document.hidden) return;
  byCode(charts.at(-1));
  const times = all.map((s) => s.at / 1000);
  for (const chart of charts) {
    chart.u.setData([times, ...Object.values(chart.lines).map((value) => all.map((s) => value(s) ?? null))]);
    tell(chart);
  }
}

/** Gives the chart of the errors a line for each code: the four that came most often. */
function byCode(chart) {
  const sums = new Map();
  for (const { errors } of all) for (const [code, n] of Object.entries(errors ?? {})) sums.set(code, (sums.get(code) ?? 0) + n);
  const codes = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 4).map(([code]) => code).sort();
  if (!codes.length) codes.push("none");
  if (codes.join() === Object.keys(chart.lines).join()) return;
  chart.lines = Object.fromEntries(codes.map((code) => [code, (s) => s.errors?.[code] ?? zero(s)]));
  draw(chart, find("#charts"));
}

/** Moves the cursor of all charts by keys. */
function move(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity, Escape: NaN }[event.key] * (event.shiftKey ? 10 : 1);
  if (event.key !== "Escape" && !step) return;
  event.preventDefault();
  const times = charts[0].u.data[0];
  const now = charts[0].u.cursor.idx ?? times.length - 1;
  const at = times[Math.min(Math.max(now + step, 0), times.length - 1)];
  for (const { u } of charts) u.setCursor(Number.isNaN(step) ? { left: -10, top: -10 } : { left: u.valToPos(at, "x"), top: 10 }, true, false);
  charts.forEach(tell);
}

/** The rooms where most comes. */
function hot(tw, { backoffMax }) {
  const body = find("#hot tbody");
  find("#backoff").textContent = span(backoffMax);
  for (let i = 0; i < 10; i++) {
    body.append(element("tr", "", Object.assign(element("th", "", element("a")), { scope: "row" }), element("td"), element("td"), element("td")));
  }
  const room = tw.room("hot");
  room.on("hot", (rooms) => {
    if (paused) return;
    [...body.rows].forEach((row, i) => {
      row.querySelector("a").hidden = !rooms[i]; // and the row stays, so that nothing moves
      if (!rooms[i]) return [...row.cells].slice(1).forEach((cell) => (cell.textContent = ""));
      const { name, members, rate } = rooms[i];
      const { text, short } = horizon(rooms[i], backoffMax);
      const [first, ...cells] = row.cells;
      Object.assign(first.firstChild, { textContent: name, title: name, href: `#room=${encodeURIComponent(name)}` });
      [count(members), count(rate), text].forEach((value, k) => (cells[k].textContent = value));
      cells[2].className = short ? "short" : "";
    });
  });
  room.join().catch(() => {});
}
