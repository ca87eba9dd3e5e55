// windows, curve and unit stand in front of this.
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue("--" + name).trim();
const time = (ns) => ns == null ? "–" : ns < 1e3 ? ns + " ns" : ns < 1e6 ? +(ns / 1e3).toPrecision(3) + " µs" : ns < 1e9 ? +(ns / 1e6).toPrecision(3) + " ms" : +(ns / 1e9).toPrecision(3) + " s";
const number = (n) => n == null ? "–" : n.toLocaleString("en", { maximumFractionDigits: 1 });
const compact = (n) => n == null ? "–" : n >= 1e4 ? n.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 }) : number(n);
const bytes = (n) => n == null ? "–" : n < 1e3 ? +n.toPrecision(3) + " B/s" : n < 1e6 ? +(n / 1e3).toPrecision(3) + " kB/s" : n < 1e9 ? +(n / 1e6).toPrecision(3) + " MB/s" : +(n / 1e9).toPrecision(3) + " GB/s";
const charts = [];
const height = 240;

// The seconds that do not count, from the first to the last of them.
const before = windows.filter((w) => w.warmup);
function shade(u) {
  if (!before.length) return;
  const { left, top, width, height } = u.bbox;
  const end = Math.min(left + width, u.valToPos(before.at(-1).at, "x", true));
  u.ctx.save();
  u.ctx.fillStyle = colour("shade");
  u.ctx.fillRect(left, top, Math.max(0, end - left), height);
  u.ctx.restore();
}

// chart draws series of [label, colour, values, text, options]; the values of the second axis stand on the right.
function chart(id, x, series, options) {
  const box = document.getElementById(id);
  box.parentElement.hidden = false;
  const line = { stroke: colour("line"), width: 1 };
  const axis = { stroke: colour("dim"), grid: line, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const whole = [1, 2, 5].flatMap((n) => [...Array(10).keys()].map((e) => n * 10 ** e)).sort((a, b) => a - b);
  const scales = { x: { time: false, ...(options.time && { range: (u, low, high) => [Math.max(0, windows[0].at - windows[0].seconds), high] }) } };
  const axes = [{ ...axis, values: options.xValues, space: 45, ...(options.time && { incrs: [...whole, 15, 30, 60, 300, 600, 1800, 3600].sort((a, b) => a - b) }) }];
  for (const [, name, , text, own] of series) {
    const key = own?.scale ?? "y";
    if (scales[key]) continue;
    scales[key] = options.logarithmic ? { distr: 3 } : { range: (u, low, high) => [0, Math.max(own?.least ?? 1, high * (own?.room ?? 1.1))] };
    const tens = (u, splits) => splits.map((v) => (Math.abs(Math.log10(v) % 1) < 1e-6 ? v : null));
    axes.push({ ...axis, scale: key, size: 66, values: (u, v) => v.map((n) => (n == null ? "" : text(n))),
      ...(options.logarithmic && { grid: { ...line, filter: tens }, filter: tens }),
      ...(own?.whole && { incrs: whole }),
      ...(key != "y" && { side: 1, grid: { show: false }, stroke: colour(name) }),
      ...(key == "y" && series.some((s) => s[4]?.scale) && { stroke: colour(name) }) });
  }
  const plot = new uPlot({
    width: box.clientWidth, height, scales, axes, hooks: { drawClear: options.time ? [shade] : [] },
    cursor: { points: { size: 7 } },
    series: [{ label: options.x, value: (u, v) => options.xText?.(v) ?? number(v) },
      ...series.map(([label, name, , text, own]) => ({ label, stroke: colour(name), width: 2, scale: own?.scale ?? "y", points: { show: x.length < 2 },
        value: (u, v) => text(v), ...(own?.bars && { paths: uPlot.paths.bars({ size: [0.6, 40] }), fill: colour(name), points: { show: false } }) }))],
  }, [x, ...series.map((s) => s[2])], box);
  charts.push([plot, box]);
}

const at = windows.map((w) => w.at);
const positive = (v) => (v > 0 ? v : null);
const of = (f) => windows.map((w) => f(w) / w.seconds);
const overTime = { x: "second", time: true };
if (windows.some((w) => w.received)) {
  chart("throughput", at, [[unit + " a second", "one", of((w) => w.received), compact],
    ["bytes a second", "two", of((w) => w.bytes), bytes, { scale: "bytes", room: 1.5 }]], overTime);
  chart("latency", at, [["p50", "one", windows.map((w) => positive(w.p50)), time], ["p99", "two", windows.map((w) => positive(w.p99)), time],
    ["max", "three", windows.map((w) => positive(w.max)), time]], { ...overTime, logarithmic: true });
}
if (curve.length > 1) {
  // The x axis stretches towards 100%: 90, 99, 99.9 … are equally far apart.
  const nines = curve.filter((q) => q.percent < 100);
  const text = (v) => +(100 - 100 / 10 ** v).toPrecision(7) + "%";
  chart("curve", nines.map((q) => Math.log10(100 / (100 - q.percent))), [["latency", "one", nines.map((q) => positive(q.ns)), time]],
    { x: "percentile", logarithmic: true, xValues: (u, v) => v.map((n) => (Number.isInteger(n) ? text(n) : "")), xText: (v) => (v == null ? "–" : text(v)) });
}
chart("errors", at, [["errors", "three", windows.map((w) => positive(w.errors)), number, { bars: true, whole: true }]], overTime);
const cores = [["generator", "one", of((w) => w.cpu_seconds), (v) => (v == null ? "–" : +v.toPrecision(3) + (v == 1 ? " core" : " cores")), { least: 0.1 }]];
if (windows.some((w) => w.server_cpu_seconds)) cores.push(["server", "two", of((w) => w.server_cpu_seconds ?? 0), cores[0][3]]);
if (windows.some((w) => w.cpu_seconds)) chart("cpu", at, cores, overTime);
chart("open", at, [["open", "one", windows.map((w) => w.open), number, { whole: true }]], overTime);
addEventListener("resize", () => {
  for (const [plot, box] of charts) plot.setSize({ width: box.clientWidth, height });
});
// The colours are read when a chart is made.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => location.reload());
