// Publishing what is in an outbox to a room: one message at a time, in order, each
// until the server has answered, whatever happens to the connection meanwhile.

export class Publisher {
  #outbox;
  #room;
  #options;
  #pause = null; // the timer that ends a wait

  // message makes {type, data} of what the user typed. onStored is told of each
  // message that the server has, and onChange that the outbox looks different.
  constructor(outbox, room, options) {
    this.#outbox = outbox;
    this.#room = room;
    this.#options = { after: (ms, f) => setTimeout(f, ms), ...options };
  }

  // flush sends the next message, unless one is on its way or it is to wait.
  flush() {
    if (this.#room.live && this.#pause === null) {
      this.#outbox.expire(this.#room.dedupe, "it may have arrived, but nobody can tell any more");
      this.#outbox.flush(({ key, text }) => {
        const { type, data } = this.#options.message(text);
        return this.#room.publish(type, key, data, (reply) => this.#answered(key, reply));
      });
    }
    this.#options.onChange();
  }

  // disconnected puts back what was on its way.
  disconnected() {
    this.#outbox.requeue();
    this.#options.onChange();
  }

  #answered(key, { type, data }) {
    if (type === "$ok") {
      this.#options.onStored(key);
    } else if (data.retryable) {
      this.#outbox.requeue(key);
      this.#pause = this.#options.after(data.retryAfter ?? 1000, () => {
        this.#pause = null;
        this.flush();
      });
    } else {
      this.#outbox.refuse(key, data.message);
    }
    this.flush();
  }
}
