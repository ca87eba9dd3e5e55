// Typed messages. Both ends speak JSON of the form {"type": …, "data": …}; each
// end has a table from type to function, and dispatch picks the function.

// pack makes the text of one message.
export function pack(type, data) {
  return JSON.stringify({ type, data });
}

// dispatch calls handlers[type](data) and returns true. It returns false, and
// calls nothing, when text is no such message or its type is not in the table.
export function dispatch(text, handlers) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return false;
  }
  const type = message?.type;
  // hasOwn, because the type is the peer's choice: "constructor" is no handler.
  if (typeof type !== "string" || !Object.hasOwn(handlers, type)) {
    return false;
  }
  handlers[type](message.data);
  return true;
}
