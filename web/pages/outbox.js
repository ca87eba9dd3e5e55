// What the user typed and nobody has confirmed yet. A message stays here, with a
// key that never changes, until the server has sent it back to us. When a
// connection ends, whatever was on its way counts as unsent and is sent again
// with the same key; a page that gets the same key twice shows it once.

export class Outbox {
  #entries = new Map(); // key → { key, text, state, reason }
  #max;
  #save;

  // save is called with all entries after every change; saved is what it was
  // last given, from before a reload.
  constructor({ max = 20, saved = [], save = () => {} } = {}) {
    this.#max = max;
    this.#save = save;
    for (const { key, text } of Array.isArray(saved) ? saved.slice(0, max) : []) {
      if (typeof key === "string" && typeof text === "string") {
        this.#entries.set(key, { key, text, state: "queued" });
      }
    }
  }

  // add takes a new message in. It returns its entry, or null when the outbox is
  // full: the caller must then tell the user and keep the text.
  add(text, key = newKey()) {
    if (this.#entries.size >= this.#max) return null;
    const entry = { key, text, state: "queued" };
    this.#entries.set(key, entry);
    this.#changed();
    return entry;
  }

  // flush gives every queued entry to send, oldest first, until send returns
  // false. An entry is "sent" from then on, which is not yet "confirmed".
  flush(send) {
    for (const entry of this.#entries.values()) {
      if (entry.state !== "queued") continue;
      if (!send(entry)) return;
      entry.state = "sent";
    }
  }

  // disconnected puts back in the queue what was on its way.
  disconnected() {
    for (const entry of this.#entries.values()) {
      if (entry.state === "sent") entry.state = "queued";
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

  retry(key) {
    const entry = this.#entries.get(key);
    if (entry) entry.state = "queued";
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
    this.#save([...this.#entries.values()].map(({ key, text }) => ({ key, text })));
  }
}

// newKey makes a name for a message that nobody else will make.
// (crypto.randomUUID would do, but browsers offer it on https and localhost only.)
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}
