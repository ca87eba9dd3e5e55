// What the user typed and the server has not confirmed yet. A message stays here,
// with a key that never changes, until the server says that it is stored. When a
// connection ends, whatever was on its way counts as unsent and is sent again with
// the same key: the server knows that again, and stores it once.

export class Outbox {
  #entries = new Map(); // key → { key, text, state, reason, first }
  #max;
  #save;
  #now;

  // save is called with all entries after every change; saved is what it was
  // last given, from before a reload.
  constructor({ max = 20, saved = [], save = () => {}, now = Date.now } = {}) {
    this.#max = max;
    this.#save = save;
    this.#now = now;
    for (const { key, text, first } of Array.isArray(saved) ? saved.slice(0, max) : []) {
      if (typeof key === "string" && typeof text === "string") {
        this.#entries.set(key, { key, text, state: "queued", first: Number(first) || 0 });
      }
    }
  }

  // add takes a new message in. It returns its entry, or null when the outbox is
  // full: the caller must then tell the user and keep the text.
  add(text, key = newKey()) {
    if (this.#entries.size >= this.#max) return null;
    const entry = { key, text, state: "queued", first: 0 };
    this.#entries.set(key, entry);
    this.#changed();
    return entry;
  }

  // flush gives the oldest queued entry to send, unless one is on its way: so none
  // overtakes another that has to be sent again. An entry is "sent" once send has
  // returned true, which is not yet "confirmed".
  flush(send) {
    const entries = [...this.#entries.values()];
    const next = entries.find(({ state }) => state === "queued");
    if (!next || entries.some(({ state }) => state === "sent") || !send(next)) return;
    next.state = "sent";
    next.first ||= this.#now();
    this.#changed();
  }

  // requeue has an entry sent again, or all that were on their way.
  requeue(key) {
    for (const entry of this.#entries.values()) {
      if (entry.state === "sent" && (key === undefined || key === entry.key)) entry.state = "queued";
    }
  }

  // expire refuses what was first sent more than so many ms ago: the server may not
  // know it again any more, and would store it twice.
  expire(ms, reason) {
    for (const { key, state, first } of this.#entries.values()) {
      if (state === "queued" && first > 0 && this.#now() - first > ms) this.refuse(key, reason);
    }
  }

  // confirm drops the entry with this key: it has arrived. It returns it, or
  // undefined when it was not ours.
  confirm(key) {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    if (entry) this.#changed();
    return entry;
  }

  // refuse keeps the entry until the user retries or discards it.
  refuse(key, reason) {
    const entry = this.#entries.get(key);
    if (entry) Object.assign(entry, { state: "refused", reason });
    return entry;
  }

  // retry is the user's wish, who has seen why it was refused.
  retry(key) {
    const entry = this.#entries.get(key);
    if (entry) Object.assign(entry, { state: "queued", first: 0 });
    return entry;
  }

  discard(key) {
    return this.confirm(key);
  }

  get size() {
    return this.#entries.size;
  }

  [Symbol.iterator]() {
    return this.#entries.values();
  }

  #changed() {
    this.#save([...this.#entries.values()].map(({ key, text, first }) => ({ key, text, first })));
  }
}

// newKey makes a name for a message that nobody else will make.
// (crypto.randomUUID would do, but browsers offer it on https and localhost only.)
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
