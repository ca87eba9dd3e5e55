// Typed messages. Both ends speak JSON of the form {"type": …, "data": …}, with
// more fields beside these two; each end has a table from type to function, and
// dispatch picks the function.

// parse returns the message that a text is, or null if it is none.
export function parse(text) {
  try {
    const message = JSON.parse(text);
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}

// dispatch calls handlers[type](data, message) and returns true. It returns false, and
// calls nothing, when the type is not in the table.
export function dispatch(message, handlers) {
  // hasOwn, because the type is the peer's choice: "constructor" is no handler.
  if (!Object.hasOwn(handlers, message.type)) return false;
  handlers[message.type](message.data, message);
  return true;
}
