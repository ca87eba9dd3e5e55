// What tab sharing needs of a browser, for Node: SharedWorker, and navigator.locks. The worker runs in this process.

const soon = globalThis.setImmediate;

class Port {
  postMessage(data) {
    const copy = structuredClone(data);
    soon(() => this.other.closed || this.other.onmessage?.({ data: copy }));
  }

  close() {
    this.closed = true;
  }
}

/** Locks by name: who asks has one when those before have let go. */
class Locks {
  held = new Map();

  /** The names of the locks that tabs hold, the oldest first. */
  get names() {
    return [...this.held.keys()].filter((name) => !name.endsWith("worker"));
  }

  async request(name, ...rest) {
    const [{ signal }, f] = rest.length > 1 ? rest : [{}, ...rest];
    const before = this.held.get(name);
    if (before) return before.gone.then(() => this.request(name, ...rest));
    signal?.throwIfAborted();
    const lock = {};
    lock.gone = new Promise((go) => (lock.go = go));
    this.held.set(name, lock);
    await Promise.race([f({ name }), lock.gone]);
    this.held.delete(name);
    lock.go();
  }

  /** Who holds that lock dies. */
  crash(name) {
    this.held.get(name).go();
  }
}

let modules = 0;

/** A worker that nobody uses yet: what it does with a port. */
async function worker() {
  await import(`../tidewire/worker.js?${++modules}`); // a module of its own
  return globalThis.onconnect;
}

/**
 * A browser without pages. Put its SharedWorker and navigator where they are looked for; names are those of its workers, of which
 * it can start two; crash has all of them die.
 */
export async function browser() {
  const idle = [await worker(), await worker()];
  await import("../tidewire/tabs.js"); // loading takes time that a test may not let pass
  const workers = new Map();
  const locks = new Locks();
  class SharedWorker {
    constructor(url, { name }) {
      this.port = new Port();
      this.port.other = Object.assign(new Port(), { other: this.port });
      if (!workers.has(name)) workers.set(name, idle.pop());
      soon(() => workers.get(name)({ ports: [this.port.other] }));
    }
  }
  const crash = () => {
    workers.clear();
    for (const name of locks.held.keys()) if (name.endsWith("worker")) locks.crash(name);
  };
  return { SharedWorker, navigator: { locks }, locks, names: () => [...workers.keys()], crash };
}
