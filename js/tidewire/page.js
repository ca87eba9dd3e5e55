// How a page lives: it goes offline, sleeps, is put away and comes back.

/** Has a client follow its page. Returns what ends that. */
export function follow(client) {
  const stop = new AbortController();
  const probe = () => client.link?.probe();
  const look = () => {
    client.hurry();
    probe();
  };
  const away = () => client.pause(); // a page with an open connection is not put into the back/forward cache
  const back = () => client.resume();
  const events = { offline: probe, online: look, visibilitychange: look, pagehide: away, freeze: away, pageshow: back, resume: back };
  for (const event in events) {
    for (const target of [globalThis, globalThis.document]) target?.addEventListener?.(event, events[event], stop);
  }
  return () => stop.abort();
}
