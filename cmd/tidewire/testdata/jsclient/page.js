// What jsbrowser_test.go steers. heard is what the client's functions were told.

import { connect } from "/tidewire.js";

const heard = [];
const tokens = [];

/** Connects. Each token is used once, the last one again and again. */
const begin = (...given) => beginWith({}, ...given);

function beginWith(options, ...given) {
  tokens.push(...given);
  const tw = connect("/live", {
    token(why) {
      heard.push(`token ${why}`);
      return tokens.length > 1 ? tokens.shift() : tokens[0];
    },
    ...options,
  });
  tw.on("state", ({ phase }) => heard.push(phase));
  tw.on("refused", (e) => heard.push(`refused ${e.code}`));
  const position = sessionStorage.position && JSON.parse(sessionStorage.position);
  const room = tw.room("room:7", { presence: true, position });
  room.on("n", (n) => heard.push(n));
  room.on("$gap", ({ reason }) => heard.push(`gap ${reason}`));
  room.join();
  Object.assign(window, { tw, room });
}

/** Has many clients, and keeps when each was told what. One connects behind the other, as Chromium is slow with many at once. */
async function crowd(n) {
  window.clients = [];
  const clock = () => performance.timeOrigin + performance.now();
  for (let i = 0; i < n; i++) {
    const client = { opened: [], lost: [], waits: [], heard: [] };
    const tw = connect("/live");
    tw.on("state", ({ phase, wait }) => {
      if (phase === "open") client.opened.push(clock());
      if (phase === "waiting") client.lost.push(clock());
      if (phase === "waiting") client.waits.push(wait);
    });
    const room = tw.room("room:7");
    room.on("n", (n) => client.heard.push(n));
    room.on("$gap", ({ reason }) => client.heard.push(reason));
    await room.join();
    clients.push(client);
  }
}

addEventListener("pagehide", () => {
  if (window.room) sessionStorage.position = JSON.stringify(room.position);
});
addEventListener("pageshow", (e) => e.persisted && heard.push("persisted"));
Object.assign(window, { begin, beginWith, crowd, heard, tokens, ready: true });
