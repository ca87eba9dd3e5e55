// How a page lives: it goes offline, sleeps, is put away and comes back.

/** Has a client follow its page. Returns what ends that. */
export function follow(client) {
  const { document } = globalThis;
  let away = false;
  const look = () => {
    if (away) return;
    client.hurry();
    client.link?.probe();
  };
  // A page with an open connection is not put into the back/forward cache.
  const put = () => {
    if (!away) client.pause();
    away = true;
  };
  const back = () => {
    if (away) client.resume();
    away = false;
  };
  const events = [
    [globalThis, { online: look, offline: () => client.link?.probe(), pagehide: put, pageshow: back }],
    [document, { visibilitychange: look, freeze: put, resume: back }],
  ];
  const all = (method) => {
    for (const [target, functions] of events) {
      for (const event in functions) target?.[method]?.(event, functions[event]);
    }
  };
  all("addEventListener");
  return () => all("removeEventListener");
}
