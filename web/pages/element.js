// Making pieces of the page. Text from the network only ever becomes text:
// nothing here, or anywhere in these pages, parses a string as HTML. (The server
// forbids it too, with "require-trusted-types-for" in its policy header.)

// element makes <tag class="…">children</tag>. A child is a node or a string.
export function element(tag, className = "", ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

// clock makes a <time> that shows the time of day, with seconds if asked.
export function clock(date, second = undefined) {
  const parts = { hour: "2-digit", minute: "2-digit", second, hourCycle: second && "h23" };
  const node = element("time", "", date.toLocaleTimeString([], parts));
  node.dateTime = date.toISOString();
  node.title = date.toLocaleString();
  return node;
}

// button makes a small button that runs f.
export function button(label, f) {
  const node = element("button", "small", label);
  node.type = "button";
  node.addEventListener("click", f);
  return node;
}

// enterSends makes Enter in a text box submit its form; Shift+Enter still makes
// a new line, and Enter that picks a word from an input method is left alone.
export function enterSends(textarea) {
  textarea.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    textarea.form.requestSubmit();
  });
}
