// The list of chat messages on the page.

import { clock, element } from "./element.js";
import { hue } from "./guest.js";
import { Log } from "./log.js";

const status = {
  queued: "Waiting for the connection",
  sent: "Sending…",
  refused: "Refused",
};

export class Transcript {
  #log;
  #pending = new Map(); // key → row of a message of ours that has not come back yet

  constructor(list) {
    this.#log = new Log(list);
  }

  // event adds a line such as "Calm Heron joined".
  event(text, className = "event") {
    this.#append(element("li", className, text, " ", clock(new Date())));
  }

  // message adds what somebody said. Our own pending row becomes the message.
  message({ key, name, text, at, mine }) {
    const row = this.#pending.get(key) ?? this.#bubble(name, text, mine);
    this.#pending.delete(key);
    this.#settle(row, at, mine);
    // The order is the server's: whatever came in between moves above ours.
    if (row === this.#log.last) this.#log.follow();
    else this.#append(row);
  }

  // pending shows a message that is still on its way, with its state and buttons.
  pending({ key, name, text, state, reason }, buttons) {
    let row = this.#pending.get(key);
    if (!row) {
      row = this.#bubble(name, text, true);
      row.dataset.keep = "";
      this.#pending.set(key, row);
      this.#append(row);
    }
    row.dataset.pending = state;
    const words = reason && state === "refused" ? `${status.refused}: ${reason}` : status[state];
    row.querySelector(".meta").replaceChildren(words, ...buttons);
    this.#log.follow();
  }

  // stored is for a message of ours that the server has. Its place it gets when it
  // comes back, with message; if it was lost behind a gap, it stays where it is.
  stored(key) {
    const row = this.#pending.get(key);
    if (row) this.#settle(row, Date.now(), true);
  }

  // remove takes a pending message off the list.
  remove(key) {
    this.#pending.get(key)?.remove();
    this.#pending.delete(key);
  }

  #settle(row, at, mine) {
    delete row.dataset.keep;
    delete row.dataset.pending;
    row.querySelector(".meta").replaceChildren(clock(new Date(at)), mine ? element("span", "tick", "✓") : "");
  }

  #bubble(name, text, mine) {
    const row = element(
      "li",
      mine ? "said mine" : "said",
      element("span", mine ? "unseen" : "name", mine ? "You" : name),
      element("p", "bubble", text),
      element("span", "meta"),
    );
    row.dataset.from = mine ? "" : name;
    row.style.setProperty("--hue", hue(name));
    return row;
  }

  // Messages in a row by the same person show the name once.
  #append(row) {
    const last = this.#log.last;
    const follows = row.matches(".said") && last?.matches(".said") && last.dataset.from === row.dataset.from;
    row.classList.toggle("follows", Boolean(follows));
    this.#log.append(row);
  }
}
