// The messages of a room, one after the other: for await (const m of room.messages("chat")).

export class Loop {
  queue = [];
  wake = () => {};

  constructor(room, type) {
    Object.assign(this, { room, type });
  }

  async *run(signal) {
    const { room } = this;
    const stop = () => {
      this.queue = [];
      this.end(signal.reason);
    };
    room.loops.add(this); // what comes right behind the reply counts
    let inside = false;
    try {
      await room.join({ signal });
      inside = true;
      signal?.addEventListener("abort", stop);
      for (;;) {
        if (this.queue.length) yield this.queue.shift();
        else if (this.over) throw this.over.error;
        else await new Promise((wake) => (this.wake = wake));
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      if (room.loops.delete(this) && inside) room.leave(); // otherwise the membership has ended
    }
  }

  take(m) {
    if (this.type !== "*" && this.type !== m.type) return;
    const { queue, room } = this;
    if (queue.length < room.client.o.inbox) queue.push(m);
    else if (!m.volatile) this.missed({ after: queue.at(-1)?.position?.seq ?? 0, position: m.position, reason: "overflow" });
    this.wake();
  }

  missed(gap) {
    const last = this.queue.at(-1)?.gap;
    if (last) last.position = gap.position; // one gap says it all
    else this.queue.push({ gap: { ...gap } });
    this.wake();
  }

  /** Ends the loop behind what waits. */
  end(error) {
    this.over ??= { error };
    this.wake();
  }
}
