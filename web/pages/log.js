// A list that grows at its end, for as long as the page is open: it keeps the
// latest rows, and it follows its end unless the reader has scrolled up.

export class Log {
  #list;
  #max;
  #atEnd = true;

  constructor(list, max = 200) {
    this.#list = list;
    this.#max = max;
    // Only somebody who scrolls up leaves the end: rows that appear, and a list
    // that shrinks, also cause scroll events.
    let top = 0;
    list.addEventListener("scroll", () => {
      if (list.scrollHeight - list.scrollTop - list.clientHeight < 40) this.#atEnd = true;
      else if (list.scrollTop < top) this.#atEnd = false;
      top = list.scrollTop;
    });
    // The list shrinks when the text box grows or a phone's keyboard opens.
    new ResizeObserver(() => this.follow()).observe(list);
  }

  get last() {
    return this.#list.lastElementChild;
  }

  // append adds row, or moves it, to the end. Rows past max go, the oldest
  // first; a row with data-keep stays.
  append(row) {
    this.#list.append(row);
    const extra = this.#list.children.length - this.#max;
    if (extra > 0) {
      const old = [...this.#list.children].filter((child) => child !== row && !("keep" in child.dataset));
      for (const child of old.slice(0, extra)) child.remove();
    }
    this.follow();
  }

  clear() {
    this.#list.replaceChildren();
  }

  // follow is also for when a row has changed its height.
  follow() {
    if (this.#atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
