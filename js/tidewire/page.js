// How a page lives: it goes offline, sleeps, is put away and comes back.

/** Has a client follow its page. Returns what ends that. */
export function follow(client) {
  const stop = new AbortController();
  const probe = () => client.link?.probe();
  const look = () => {
    client.hurry();
    probe();
  };
  const hide = () => client.pause(1); // a page with an open connection is not put into the back/forward cache
  const back = () => client.away < 2 && client.resume(); // else the application has paused it
  const events = { offline: probe, online: look, visibilitychange: look, freeze: hide, pagehide: hide, resume: back, pageshow: back };
  for (const [event, f] of Object.entries(events)) {
    for (const target of [globalThis, globalThis.document]) target?.addEventListener?.(event, f, stop);
  }
  return stop;
}
