// Tab sharing, a tab's half: what looks like a WebSocket is a port of the worker that holds the connection.

const VERSION = "0.1.0"; // of this library: others have workers of their own
const PATIENCE = 5000; // ms for the worker to start
const READ = 1 << 16; // characters behind which the worker hears that they were taken

let policy; // for pages that require Trusted Types
let unable; // no worker can be had here: every tab has a connection of its own

function start(name) {
  const options = { type: "module", name };
  if (!globalThis.trustedTypes) return new SharedWorker(new URL("./worker.js", import.meta.url), options);
  policy ??= trustedTypes.createPolicy("tidewire", { createScriptURL: (url) => url });
  return new SharedWorker(policy.createScriptURL(new URL("./worker.js", import.meta.url).href), options);
}

/** What looks like a WebSocket. */
class Tab {
  readyState = 0;
  bufferedAmount = 0;
  read = 0;
  over = new AbortController();

  constructor(client) {
    this.client = client;
  }

  /** Resolves when the worker is there. */
  async start(stream) {
    const { url, secret, o } = this.client;
    const user = o.shareTabs === true ? "" : o.shareTabs;
    const worker = start(`tidewire ${VERSION} ${url} ${user}`);
    this.port = worker.port;
    const lock = await this.live();
    await new Promise((ready, failed) => {
      worker.onerror = () => failed(new Error("the worker does not start"));
      const timer = setTimeout(worker.onerror, PATIENCE);
      this.port.onmessage = ({ data }) => {
        clearTimeout(timer);
        this.share(data.secret);
        this.mourn(data.lock);
        this.port.onmessage = ({ data }) => this.heard(data);
        ready();
      };
      this.port.postMessage({ url, secret, stream: Boolean(stream), lock, named: o.shareTabs !== true });
    });
    globalThis.document?.addEventListener("visibilitychange", () => this.look(), this.over);
    this.look();
    return this;
  }

  /** All tabs have one secret, so that each message is known again whoever repeats it: but for those sent under another one. */
  share(secret) {
    const { client } = this;
    if (client.secret !== secret) for (const p of client.out) if (p.lost) p.giveUp(new Error("other tabs have another connection by now"));
    client.secret = secret;
  }

  /** Holds a lock for as long as this tab lives: the worker waits for it, and takes it as the tab's end. Returns its name. */
  live() {
    const name = `tidewire ${this.client.random()}`;
    const until = new Promise((end) => this.over.signal.addEventListener("abort", end));
    return new Promise((held, failed) => {
      navigator.locks.request(name, () => (held(name), until)).catch(failed);
    });
  }

  /** Waits for the worker's lock, which is free when that has died. */
  mourn(lock) {
    const { signal } = this.over;
    navigator.locks.request(lock, { signal }, () => this.heard({ code: 1006, reason: "the worker is gone" })).catch(() => {}); // this tab went first
  }

  look() {
    if (globalThis.document?.visibilityState !== "hidden") this.port.postMessage({ seen: true });
  }

  heard(data) {
    const { client } = this;
    if (this.readyState === 3) return;
    if (typeof data === "string") {
      this.read += data.length;
      if (this.read >= READ) {
        this.port.postMessage({ read: this.read });
        this.read = 0;
      }
      this.onmessage({ data });
    } else if (data.open) {
      this.readyState = 1;
      this.onopen();
    } else if (data.direct) {
      client.direct ||= data.direct;
    } else if (data.taken) {
      this.bufferedAmount -= data.taken;
    } else if (data.renew) {
      if (client.link?.socket === this && client.o.token) client.renew(client.link, data.renew);
    } else if (data.code) {
      this.end();
      this.onclose(data);
    }
  }

  send(text) {
    if (this.readyState !== 1) return;
    this.bufferedAmount += text.length;
    this.port.postMessage(text);
  }

  close(code) {
    if (this.readyState === 3) return;
    this.port.postMessage({ close: code });
    this.end();
  }

  end() {
    this.readyState = 3;
    this.over.abort();
  }
}

/** Opens a way to the shared connection; where there can be none, one of the tab's own. stream: not by WebSocket. */
export async function open(client, stream) {
  if (!unable && globalThis.SharedWorker && globalThis.navigator?.locks) {
    const tab = new Tab(client);
    try {
      return await tab.start(stream);
    } catch {
      unable = true;
      tab.end();
    }
  }
  client.o.shareTabs = undefined;
  return client.transport();
}
