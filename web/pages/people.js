// Who is here: a list of names, each in its colour, ours marked.

import { element } from "./element.js";
import { hue } from "./guest.js";

const shown = 50; // names in the list; the rest is a number

export class People {
  #names = new Map(); // id → name
  #list;
  #count;

  // count and list are the elements that show how many, and who.
  constructor(count, list) {
    this.#count = count;
    this.#list = list;
    this.me = 0; // our id, which the server gives; 0 while we are not in
  }

  get others() {
    return this.#names.size - 1;
  }

  // enter shows a whole new list, and which of them is us.
  enter(me, members) {
    this.me = me;
    this.#names = new Map(members.map(({ id, name }) => [id, name]));
    this.#show();
  }

  // exit is for when we are not in any more, and know of nobody.
  exit() {
    this.enter(0, []);
  }

  set(id, name) {
    this.#names.set(id, name);
    this.#show();
  }

  delete(id) {
    this.#names.delete(id);
    this.#show();
  }

  #show() {
    this.#count.textContent = this.me ? `${this.#names.size} here` : "offline";
    const items = [...this.#names].slice(0, shown).map(([id, name]) => {
      const item = element("li", id === this.me ? "me" : "", id === this.me ? `${name} (you)` : name);
      item.style.setProperty("--hue", hue(name));
      return item;
    });
    if (this.#names.size > shown) items.push(element("li", "", `and ${this.#names.size - shown} more`));
    this.#list.replaceChildren(...items);
  }
}
