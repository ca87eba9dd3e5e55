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
  const room = tw.room("room:7", { presence: true });
  room.on("n", (n) => heard.push(n));
  room.on("$gap", ({ reason }) => heard.push(`gap ${reason}`));
  room.join();
  Object.assign(window, { tw, room });
}

addEventListener("pageshow", (e) => e.persisted && heard.push("persisted"));
Object.assign(window, { begin, beginWith, heard, tokens, ready: true });
