// Right uses of tidewire.d.ts, and wrong ones, which the compiler must refuse. interop/types_test.go runs it.

import { connect, TidewireError, type Client, type Gap, type Message, type Position, type Room } from "../tidewire.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

interface Chat {
  text: string;
}
type Rooms = {
  "room:*": { chat: Chat; typing: { on: boolean }; ping: undefined };
  "room:vip": { chat: Chat & { gold: true } };
  "team:*:notes": { note: string };
  "log:>": { line: string };
};
type Calls = { sum: (n: number[]) => number; now: () => Promise<string> };
type Handles = { confirm: (q: string) => boolean; news: (n: number) => void };

const tw = connect<Rooms, Calls, Handles>("/live", {
  token: async (why) => (why === "refused" ? null : "t"),
  backoff: { min: 500 },
  queue: { ttl: 1000, max: undefined },
});
connect(new URL("wss://example.org/live"), { shareTabs: true });
connect("/live", { shareTabs: "ann" });
// @ts-expect-error: a name is a text
connect("/live", { shareTabs: 7 });
// @ts-expect-error: no such option
connect("/live", { tokens: () => "" });
// @ts-expect-error: a token is a text
connect("/live", { token: () => 7 });
// @ts-expect-error: an object of numbers
connect("/live", { backoff: 500 });

// The state.
tw.on("state", (s) => {
  if (s.phase === "open") same<typeof s.session, string>(true);
  if (s.phase === "waiting") same<typeof s.wait, number>(true);
  // @ts-expect-error: only when it is open
  s.session;
});
tw.on("refused", (e, about) => [e.code.length, about?.room]);
// @ts-expect-error: no such event
tw.on("open", () => {});

// Letting go, and coming back.
same<ReturnType<typeof tw.pause>, void>(true);
tw.pause();
tw.resume();
// @ts-expect-error: until resume, and not for a time
tw.pause(1000);

// Rooms by their patterns.
const room = tw.room("room:7", { last: 50, presence: true });
same<typeof room, Room<Rooms["room:*"]>>(true);
same<ReturnType<typeof tw.room<"room:vip">>, Room<Rooms["room:vip"]>>(true);
same<ReturnType<typeof tw.room<"team:a:notes">>, Room<Rooms["team:*:notes"]>>(true);
same<ReturnType<typeof tw.room<"log:a:b:c">>, Room<Rooms["log:>"]>>(true);
same<ReturnType<typeof tw.room<"room:*">>, Room<Rooms["room:*"]>>(true);
const id = String(Math.random());
const made = tw.room(`room:${id}`);
same<typeof made, Room<Rooms["room:*"]>>(true);
const unchecked = tw.room(id);
unchecked.on("anything", (data) => data.whatever);
// @ts-expect-error: no pattern has it
tw.room("rom:7");
// @ts-expect-error: a segment too many
tw.room("room:7:x");
// @ts-expect-error: a segment too few
tw.room("team:a");
// @ts-expect-error: one segment at least
tw.room("log");
// @ts-expect-error: no such option
tw.room("room:7", { lasts: 50 });

// Messages.
room.on("chat", (data, m) => {
  same<typeof data, Chat>(true);
  same<typeof m, Message<Chat, "chat">>(true);
  same<typeof m.position, Position | undefined>(true);
});
room.on("*", (_, m) => {
  if (m.type === "typing") same<typeof m.data, { on: boolean }>(true);
});
const stop: () => void = room.on("$gap", (gap) => same<typeof gap, Gap>(true));
stop();
room.on("$left", (e) => same<typeof e, TidewireError>(true));
room.on("$presence", ({ members, users }) => [members[0]?.user, users]);
room.on("$live", () => {});
// @ts-expect-error: no such type in this room
room.on("chats", () => {});
// @ts-expect-error: no such event of the protocol
room.on("$ok", () => {});
// @ts-expect-error: the data has no such member
room.on("chat", (data) => data.txt);

// Sending.
same<ReturnType<typeof room.send>, Promise<Position | undefined>>(true);
room.send("chat", { text: "hi" }, { key: "k", signal: new AbortController().signal });
room.send("ping");
const cast: boolean = room.cast("typing", { on: true });
// @ts-expect-error: data is missing
room.send("chat");
// @ts-expect-error: wrong data
room.send("chat", { txt: "hi" });
// @ts-expect-error: another type's data
room.cast("typing", { text: "hi" });
// @ts-expect-error: a cast has no options
room.cast("typing", { on: cast }, { key: "k" });
// @ts-expect-error: another room's type
room.send("note", "x");

// Calls both ways.
same<ReturnType<typeof tw.call<"sum">>, Promise<number>>(true);
same<ReturnType<typeof tw.call<"now">>, Promise<string>>(true);
tw.call("sum", [1, 2], { timeout: 3000 });
tw.call("now");
tw.call("now", undefined, { timeout: 3000 });
// @ts-expect-error: numbers
tw.call("sum", ["1"]);
// @ts-expect-error: no such call
tw.call("sums", [1]);
// @ts-expect-error: no such option
tw.call("sum", [1], { timeouts: 3000 });
tw.handle("confirm", (q) => q.length > 3);
tw.handle("confirm", async (q) => q === "");
tw.handle("news", (n) => void n.toFixed());
// @ts-expect-error: the answer is a boolean
tw.handle("confirm", (q) => q);
// @ts-expect-error: the server does not ask that
tw.handle("confirms", () => true);

// Loops and history.
async function loops() {
  for await (const m of room.messages("chat", { signal: AbortSignal.timeout(1000) })) {
    if (m.gap) {
      same<typeof m.gap, Gap>(true);
      // @ts-expect-error: a gap has no data
      m.data.text;
      continue;
    }
    same<typeof m, Message<Chat, "chat">>(true);
  }
  for await (const m of room.messages()) {
    if (!m.gap && m.type === "chat") same<typeof m.data, Chat>(true);
  }
  const { messages, more } = await room.history({ before: 17, limit: 50 });
  same<typeof more, boolean>(true);
  for (const m of messages) if (m.type === "chat") same<typeof m.data, Chat>(true);
  // @ts-expect-error: no such option
  await room.history({ after: 17 });
  // @ts-expect-error: no such type
  room.messages("chats");
}
loops();
room.join({ signal: AbortSignal.timeout(1000) }).then((nothing) => same<typeof nothing, void>(true));
// @ts-expect-error: a position is not to be changed
room.position = undefined;
// @ts-expect-error: what the d.ts does not name is not for applications
tw.link;

// Without types everything goes.
const any: Client = connect("/live");
any.room("a:b").on("x", (data) => data.y.z);
any.room("a:b").send("x", 1);
any.call("f", 1).then((answer) => answer.whatever);
any.call("f");
any.handle("g", (data) => data.x);

// Errors.
const e = new TidewireError("shop.sold-out", "none left", { retryable: true, cause: new Error() });
same<typeof e.retryAfter, number | undefined>(true);
// @ts-expect-error: a code is needed
new TidewireError();
