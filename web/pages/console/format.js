// How the console writes numbers, sizes and times: short, and never much wider than before.

const round = (n) => (n >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toFixed(n >= 10 ? 1 : 2));

function scaled(n, step, units) {
  let i = 0;
  while (n >= step && i < units.length - 1) (n /= step), i++;
  return `${round(n)}${units[i]}`;
}

/** "1 user", "2 users". */
export const many = (n, what) => `${count(n)} ${what}${n === 1 ? "" : "s"}`;
export const count = (n) => (n >= 1e6 ? scaled(n, 1000, ["", "k", "M", "G"]) : round(n));
export const bytes = (n) => scaled(n, 1024, [" B", " KiB", " MiB", " GiB"]);
export const ms = (n) => (n >= 1000 ? `${round(n / 1000)} s` : n >= 1 ? `${round(n)} ms` : `${Math.round(n * 1000)} µs`);

/** A time of some length, in its greatest unit, and the next one where that says something. */
export function span(ms) {
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  const i = Math.max(units.findIndex(([, size]) => s >= size), 0);
  const [unit, size] = units[i];
  const rest = s < 10 * size && units[i + 1] && Math.floor((s % size) / units[i + 1][1]);
  return `${Math.floor(s / size)} ${unit}${rest ? ` ${rest} ${units[i + 1][0]}` : ""}`;
}

/** For how long a client can be away from a room and recover all. */
export function horizon({ history, horizon: time }, backoffMax) {
  if (!history) return { text: "no history" };
  if (!time) return { text: "no end" };
  return { text: span(time), short: time < backoffMax };
}
