// Who is here: a list of names, each in its colour, ours marked.

import { element } from "./element.js";
import { hue } from "./guest.js";

export class People {
  #names = null; // id → name; null while we do not know everybody's
  #list;
  #count;

  // count and list are the elements that show how many, and who.
  constructor(count, list) {
    this.#count = count;
    this.#list = list;
  }

  // show takes a whole new list: {count, people: [{id, name}]}, where people may be
  // fewer than count. It returns what has changed, in words.
  show(me, { count, people }) {
    const names = count > people.length ? null : new Map(people.map(({ id, name }) => [id, name]));
    const changes = this.#names && names ? changed(this.#names, names) : [];
    this.#names = names;
    this.#count.textContent = `${count} here`;
    const items = people.map(({ id, name }) => {
      const item = element("li", id === me ? "me" : "", id === me ? `${name} (you)` : name);
      item.style.setProperty("--hue", hue(name));
      return item;
    });
    if (count > people.length) items.push(element("li", "", `and ${count - people.length} more`));
    this.#list.replaceChildren(...items);
    return changes;
  }

  // clear is for when we are not in any more, and know of nobody.
  clear() {
    this.#names = null;
    this.#count.textContent = "not in the room";
    this.#list.replaceChildren();
  }
}

// changed says what makes one list of names the other.
export function changed(before, after) {
  const lines = [];
  for (const [id, name] of before) {
    if (!after.has(id)) lines.push(`${name} left`);
    else if (after.get(id) !== name) lines.push(`${name} is now ${after.get(id)}`);
  }
  for (const [id, name] of after) if (!before.has(id)) lines.push(`${name} joined`);
  return lines;
}
