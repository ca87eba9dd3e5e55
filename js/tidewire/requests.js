// What the worker asks the server for its tabs, each with its answer: no more at a time than a hub lets wait.

const MOST = { sends: 32, calls: 16, joins: 15, refreshes: 1, others: Infinity }; // a hub lets 64 wait, and has no order for what it refuses
const FEWER = 4; // joins, where those were too many
const PAUSE = 1000; // ms until then
const PATIENCE = 4000; // for the answer to a $ping, a little less than tabs have
const LONG = 20_000; // for that to anything else of the protocol

const each = (value) => Object.fromEntries(Object.keys(MOST).map((kind) => [kind, value()]));

export class Requests {
  lastId = 0;
  pending = new Map(); // by id
  waiting = each(() => []);
  under = each(() => 0);
  most = { ...MOST };

  /** held says of a request whether it waits for others first. */
  constructor(socket, held) {
    Object.assign(this, { socket, held });
  }

  /** Asks, as soon as few enough of that kind are under way. done is called with the reply. */
  ask(tab, m, kind, done) {
    this.waiting[kind].push({ tab, m, kind, done });
    this.pump(kind);
  }

  pump(kind) {
    const waiting = this.waiting[kind];
    for (let i = 0; i < waiting.length && !this.over && this.socket.readyState === 1 && this.under[kind] < this.most[kind]; ) {
      if (this.held(waiting[i])) {
        i++;
        continue;
      }
      const [p] = waiting.splice(i, 1);
      const id = ++this.lastId;
      this.under[kind]++;
      this.pending.set(id, Object.assign(p, { at: performance.now() }));
      this.socket.send(JSON.stringify({ ...p.m, id }));
    }
    if (kind === "joins") this.pump("sends"); // which may wait for them
  }

  replied(m) {
    const p = this.pending.get(m.re);
    if (!p) return;
    this.pending.delete(m.re);
    this.under[p.kind]--;
    const { code, retryable } = (m.type === "$error" && m.data) || {};
    if (p.kind === "joins" && code === "rate") this.slow(p);
    else p.done(m);
    if (p.kind === "sends" && (retryable || code === "expired")) this.abort(p);
    this.pump(p.kind);
  }

  /** A publish has failed that its tab repeats: those that wait here behind it must not overtake it. */
  abort({ tab, m: { room } }) {
    const { sends } = this.waiting;
    const behind = sends.filter((p) => p.tab === tab && p.m.room === room);
    this.waiting.sends = sends.filter((p) => !behind.includes(p));
    const data = { code: "aborted", message: "a message before this one was not stored", retryable: true };
    for (const { done } of behind) done({ type: "$error", room, data });
  }

  /** The joins of many tabs were too many at once, and each refusal is a fault: this one and the others take their time. */
  slow(p) {
    this.waiting.joins.unshift(p);
    this.most.joins = 0;
    clearTimeout(this.slower);
    this.slower = setTimeout(() => {
      this.most.joins = FEWER;
      this.pump("joins");
    }, PAUSE);
  }

  /** What the server should have answered long ago, if anything. */
  get overdue() {
    const late = ({ m, at }) => m.type[0] === "$" && performance.now() - at >= (m.type === "$ping" ? PATIENCE : LONG);
    return [...this.pending.values()].find(late)?.m.type;
  }

  /** Forgets what a tab wanted that is gone. Its joins are its rooms' matter. */
  forget(tab) {
    for (const kind of ["sends", "calls", "refreshes"]) this.waiting[kind] = this.waiting[kind].filter((p) => p.tab !== tab);
  }

  /** Nothing is answered any more. */
  end() {
    this.over = true;
    clearTimeout(this.slower);
    for (const { done } of [...this.pending.values(), ...Object.values(this.waiting).flat()]) done({ type: "$error", data: {} });
  }
}
