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
    try {
      await room.join({ signal });
    } catch (error) {
      room.loops.delete(this);
      throw error;
    }
    signal?.addEventListener("abort", stop);
    try {
      for (;;) {
        if (this.queue.length) yield this.queue.shift();
        else if (this.over) throw this.over.error;
        else await new Promise((wake) => (this.wake = wake));
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      if (room.loops.delete(this)) room.leave(); // otherwise the membership has ended
    }
  }

  take(m) {
    if (this.type && this.type !== m.type) return;
    const last = this.queue.at(-1);
    if (this.queue.length < this.room.client.o.inbox) this.queue.push(m);
    else if (m.volatile) return;
    else if (last.gap?.reason === "overflow") last.gap.position = m.position;
    else this.queue.push({ gap: { after: (last.gap ?? last).position?.seq ?? 0, position: m.position, reason: "overflow" } });
    this.wake();
  }

  missed(gap) {
    const last = this.queue.at(-1);
    if (last?.gap) last.gap.position = gap.position; // one gap says it all
    else this.queue.push({ gap: { ...gap } });
    this.wake();
  }

  /** Ends the loop behind what waits. */
  end(error) {
    this.over ??= { error };
    this.wake();
  }
}
