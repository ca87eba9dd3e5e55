// A table of which the server has the rows: it searches, sorts and gives out a page. Rows are made once and filled anew, so
// that nothing moves under the pointer or the focus.

import { element } from "/page.js";

const PAGE = 50;
let tables = 0;

/** A button that does something. */
export function button(className, text, act) {
  const one = element("button", className, text);
  one.addEventListener("click", act);
  return one;
}

export class Table {
  /** columns: { key, name, text, sort, wide, link, act, mark } each: link and act make a cell a link or a button. sorted: "key", or "-key" for descending. */
  constructor(root, tw, call, { label, columns, sorted, more = {} }) {
    Object.assign(this, { tw, call, columns, more });
    this.query = { text: "", sort: sorted.replace("-", ""), descending: sorted[0] === "-", offset: 0, limit: PAGE };
    this.search = Object.assign(element("input"), { id: `search-${++tables}`, type: "search", maxLength: 128, spellcheck: false, autocomplete: "off" });
    const name = Object.assign(element("label", "", label), { htmlFor: this.search.id });
    this.found = element("output", "found");
    this.back = button("small", "Previous", () => this.ask({ offset: Math.max(0, this.query.offset - PAGE) }));
    this.next = button("small", "Next", () => this.ask({ offset: this.query.offset + PAGE }));
    this.why = Object.assign(element("p", "why"), { role: "alert" });
    this.body = element("tbody");
    this.heads = columns.map((column) => this.head(column));
    const table = element("table", "rows", element("caption", "unseen", label), element("thead", "", element("tr", "", ...this.heads)), this.body);
    root.append(element("div", "search", name, this.search, this.found, this.back, this.next), this.why, element("div", "wide", table));
    this.search.addEventListener("input", () => this.ask({ text: this.search.value.slice(0, 120), offset: 0 }));
  }

  head({ key, name, sort, wide, act }) {
    const head = element("th", wide ? "long" : act ? "act change" : "");
    head.scope = "col";
    if (!sort) return head.append(element("span", act ? "unseen" : "", name)), head;
    head.append(button("sort", name, () => this.ask({ sort: key, descending: this.query.sort === key ? !this.query.descending : sort === "down", offset: 0 })));
    return head;
  }

  /** Shows the table, and keeps it fresh until hide. */
  show(more = {}) {
    this.more = more;
    this.query.offset = 0;
    clearInterval(this.timer);
    this.timer = setInterval(() => document.hidden || document.querySelector("#pause[aria-pressed=true]") || this.ask({}), 3000);
    return this.ask({});
  }

  hide = () => clearInterval(this.timer);

  /** Asks for a page: one question at a time, and at last for what is wanted then. */
  async ask(change) {
    Object.assign(this.query, change);
    this.wanted = true;
    if (this.asking) return;
    this.asking = true;
    while (this.wanted) {
      this.wanted = false;
      const page = await this.tw.call(this.call, { ...this.query, ...this.more }).catch((error) => ({ error }));
      this.why.textContent = page.error ? page.error.message : "";
      if (!page.error && !this.wanted) this.fill(page);
      if (page.error?.code === "rate") await new Promise((done) => setTimeout(done, 500));
    }
    this.asking = false;
  }

  fill({ rows, found, all }) {
    const { offset, sort, descending } = this.query;
    if (offset && !rows.length) return this.ask({ offset: Math.max(0, Math.floor((found - 1) / PAGE) * PAGE) });
    while (this.body.rows.length < rows.length) this.body.append(this.row());
    [...this.body.rows].forEach((row, i) => {
      row.hidden = !rows[i];
      if (!rows[i]) return;
      row.data = rows[i];
      this.columns.forEach((column, k) => this.cell(row.cells[k], column, rows[i]));
    });
    this.columns.forEach(({ key, sort: can }, i) => {
      if (can) this.heads[i].setAttribute("aria-sort", key !== sort ? "none" : descending ? "descending" : "ascending");
    });
    const n = (x) => x.toLocaleString("en");
    this.found.textContent = `${found ? `${n(offset + 1)}–${n(offset + rows.length)} of ` : ""}${n(found)}${found < all ? ` found, ${n(all)} in all` : ""}`;
    this.back.disabled = !offset;
    this.next.disabled = offset + rows.length >= found;
  }

  row() {
    const row = element("tr");
    for (const { link, act, wide, name } of this.columns) {
      const cell = element("td", wide ? "long" : act ? "act change" : "");
      if (link) cell.append(element("a"));
      if (act) cell.append(button("small", `${name}…`, () => act(row.data)));
      row.append(cell);
    }
    return row;
  }

  cell(cell, { text, link, act, mark, wide }, row) {
    if (act) return;
    const value = text(row);
    const place = link ? cell.firstChild : cell;
    if (place.textContent !== value) place.textContent = value;
    if (wide) cell.title = value;
    if (link) cell.firstChild.href = link(row);
    if (mark) cell.className = mark(row) || "";
  }
}
