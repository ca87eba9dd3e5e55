// Functions of the application, by what they want to hear of.

export const report = (e) => (globalThis.reportError ?? console.error)(e);

/** Calls into the application. What it throws is reported, and disturbs nothing here. */
export function guard(f, ...args) {
  try {
    f(...args);
  } catch (e) {
    report(e);
  }
}

export class Emitter {
  listeners = new Map();

  /** Has f called with each event of that name. Returns what ends that. */
  on(name, f) {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(f));
    return () => all.delete(f);
  }

  /** Says whether anybody was there to hear it. */
  emit(name, ...args) {
    const all = [...(this.listeners.get(name) ?? [])];
    for (const f of all) guard(f, ...args);
    return all.length;
  }
}
