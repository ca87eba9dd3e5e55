// What each call of the browser client promises. docs/browser.md says how they fit together,
// docs/protocol.md what travels.

/**
 * Connects to a hub, and comes back when the connection is lost, until `close()` or until the server sends the
 * page away (4403). Returns at once: what is sent before there is a connection waits for it.
 *
 * `Rooms` maps patterns of rooms to the messages in them, `Calls` what the server answers, and `Handles` what the
 * page answers. Each may be left out: then names and data are not checked.
 *
 *     type Rooms = { "room:*": { chat: { text: string }; typing: { on: boolean } } };
 *     type Calls = { sum: (n: number[]) => number };
 *     const tw = connect<Rooms, Calls>("/live");
 *
 * @param url of the hub: ws, wss, http or https, or relative to the page.
 * @throws TypeError if the URL cannot be read.
 */
export function connect<Rooms extends object = AnyRooms, Calls extends object = AnyCalls, Handles extends object = AnyCalls>(
  url: string | URL,
  options?: Options,
): Client<Rooms, Calls, Handles>;

/** Rooms of which nothing is known. */
export type AnyRooms = { [pattern: string]: { [type: string]: any } };
/** Calls of which nothing is known. */
export type AnyCalls = { [type: string]: (data?: any) => any };

/** Times are milliseconds. What is left out, or undefined, has its default. */
export interface Options {
  /**
   * Returns a token to authenticate with, or nothing for a stranger. It is asked for every connection (`"hello"`), before the
   * identity expires (`"expiry"`), and when a token was refused or had expired (`"refused"`). An error, and no answer within
   * `callTimeout`, count as a failed attempt. Default: no token is sent.
   */
  token?: (why: "hello" | "expiry" | "refused") => string | null | undefined | Promise<string | null | undefined>;
  /**
   * Waits before coming back: the n-th try in a row waits a random time between `min` and min(`max`, `min`·2ⁿ). What the server says
   * replaces both. n begins anew once a connection has lasted for `settle`. Defaults: 500, 20,000, 5000.
   */
  backoff?: { min?: number; max?: number; settle?: number };
  /**
   * What is sent and not answered yet: at most `max` messages, calls included, and `maxSize` bytes, one message alone may have
   * more; past them sending fails with `queue-full`. What has not been sent after `ttl` fails with `not-sent`.
   * Defaults: 256, 1 MiB, 60,000.
   */
  queue?: { max?: number; maxSize?: number; ttl?: number };
  /**
   * Bounds calls and `history`, and the token function; an answer to `$hello`, a join, a leave or a refresh that takes longer
   * costs the connection. Default: 30,000.
   */
  callTimeout?: number;
  /** The largest message that is sent, in bytes, at most what the hub takes. Default: 65,536. */
  maxSend?: number;
  /** How many messages wait for the body of a `for await` loop. Default: 1024. */
  inbox?: number;
  /**
   * Whether plain HTTP posts to the same address are tried where no WebSocket has opened yet, with every other try. The module for
   * it is loaded then. Default: true.
   */
  fallback?: boolean;
  /**
   * Whether the tabs of this origin that are one user's share one connection, through a SharedWorker, whose modules are loaded then. Each
   * tab keeps its rooms and positions; to the server, and in presence, they are one session. Tabs with different tokens
   * share when the server says, to `$refresh`, that the user is the same one. Where the server knows users by a cookie, tabs share only if this
   * is a string that names the user; tabs with different strings never do. A call of the server's is answered by one tab: that seen last of those that handle it; messages without
   * a room are for all. Where no SharedWorker or no Web Locks can be had (an insecure origin, or Trusted Types without a policy `tidewire`),
   * each tab has its own connection. Default: false.
   */
  shareTabs?: boolean | string;
}

/** A connection to a hub that comes back. */
export interface Client<Rooms extends object = AnyRooms, Calls extends object = AnyCalls, Handles extends object = AnyCalls> {
  /** What the client is doing. */
  readonly state: State;

  /**
   * Has f called with each change of the state. Returns what ends that. Functions are called synchronously; what they throw
   * goes to `reportError` and disturbs nothing.
   */
  on(event: "state", f: (state: State) => void): () => void;
  /**
   * Has f called with what nobody waits for: errors of casts that the server refused, with their room and mid, and of tokens that
   * could not be renewed.
   */
  on(event: "refused", f: (error: TidewireError, about?: { room?: string; mid?: string }) => void): () => void;

  /**
   * Returns the handle of a room. Where there is one already it is returned, and the options are not looked at. Nothing is sent.
   * A wildcard (`*` for any one segment, a last `>` for one or more) can be joined, and not published to.
   *
   * The name finds its messages in `Rooms`: by itself, else by a pattern with `*`, else by one that ends with `>`. A name that is
   * a `string` and no more is not checked.
   *
   * @throws TidewireError `invalid` or `too-large` if no room can have that name.
   */
  room<Name extends string>(name: Name, ...options: RoomRest<Rooms, Name>): Room<TypesOf<Rooms, Name>>;

  /**
   * Calls the server's handler of that type and resolves with what it answers. Without a connection the call waits for one, within
   * `queue`. A call is never repeated by itself.
   *
   * Rejects with a TidewireError: the server's code; `unknown` if the connection was lost, the time was up or the signal came while it
   * was under way, with that as `cause`; `timeout`, `not-sent` or the signal's reason if it had not been sent; `queue-full`;
   * `invalid`, `too-large`; `closed`.
   */
  call<Type extends keyof Calls & string>(type: Type, ...rest: Rest<DataOf<Calls[Type]>, CallOptions>): Promise<AnswerOf<Calls[Type]>>;

  /**
   * Has f answer the calls of that type that the server makes, and take its messages of that type without a room. A second function
   * replaces the first. Returns what ends that. A TidewireError that f throws is sent as it is; of any other error the server hears
   * `internal`, and `reportError` what it was.
   *
   * @throws TidewireError `invalid` or `too-large` if no message can have that type.
   */
  handle<Type extends keyof Handles & string>(
    type: Type,
    f: (data: DataOf<Handles[Type]>) => AnswerOf<Handles[Type]> | Promise<AnswerOf<Handles[Type]>>,
  ): () => void;

  /**
   * Lets go of the connection at once, with 4001, and opens none until `resume`: not when the page comes online or is seen again, nor
   * when it comes back from the back/forward cache. The state is `waiting`, with a `wait` of Infinity.
   *
   * It is as if the connection had been lost. What is sent waits, within `queue`; casts return false; calls that are under way
   * reject with `unknown`. Rooms stay joined on this side and keep their positions, and others see the session go after
   * 5 s. With `shareTabs` it is this tab alone that lets go. Twice is once, and after `close` it does nothing.
   */
  pause(): void;

  /** Ends a `pause`: connects at once, and joins the rooms from their positions. Where nothing is paused a try that waits is made now. */
  resume(): void;

  /**
   * Ends the client at once. What is under way rejects with `unknown`, what has not been sent, and loops, with `closed`. To wait for what
   * was sent, await its promises before.
   */
  close(): Promise<void>;
}

/** What a client is doing. */
export type State =
  | { phase: "connecting" }
  /** `session` and `user` are what the server said; no user: a stranger. While `degraded` the server cannot store messages. */
  | { phase: "open"; session: string; user?: string; degraded: boolean }
  /** Why the last connection ended, and how long until the next try: Infinity while the page is away, or paused. */
  | { phase: "waiting"; error: Error; wait: number }
  /** For good: `error.code` is `closed` or `sent-away`. */
  | { phase: "closed"; error: TidewireError };

export interface CallOptions {
  /** How long to wait for the answer, in ms. Default: `Options.callTimeout`. */
  timeout?: number;
  signal?: AbortSignal;
}

export interface RoomOptions {
  /** How many stored messages to begin with, at most 200, where there is no position. Default: none. */
  last?: number;
  /** Also be told who is there. Default: false. */
  presence?: boolean;
  /** Where to go on: a `position` that was kept. Default: with `last`. */
  position?: Position;
  /** Returns a token for the application's check of this room, for each join. Default: no token. */
  token?: (why: "join") => string | Promise<string>;
}

/** A place in a room's history. It may be kept, and given to `RoomOptions` later. */
export interface Position {
  /** The history's identity. Absent where a message came through a wildcard. */
  epoch?: string;
  seq: number;
  mid?: string;
}

/** A message of a room. */
export interface Message<Data = any, Type extends string = string> {
  type: Type;
  data: Data;
  /** The room that it is from, also where a wildcard was joined. */
  room: string;
  /** Absent in rooms without history, and of volatile messages. */
  position?: Position;
  /** Its id, chosen by who published it. */
  mid?: string;
  /** Which value it is, in rooms that keep the latest of each. */
  key?: string;
  /** The user who published it; absent: a stranger. */
  from?: string;
  /** It was not stored. */
  volatile?: boolean;
  gap?: undefined;
}

/** Messages are missing. */
export interface Gap {
  /** The sequence number behind which they are missing; 0: unknown. */
  after: number;
  /** Where the room goes on, perhaps in another epoch. Absent in rooms without history. */
  position?: Position;
  /** A reason of docs/protocol.md, or `overflow`: the body of a loop was too slow, see `Options.inbox`. */
  reason: "evicted" | "epoch" | "rewound" | "slow" | "overflow" | (string & {});
}

/** Who is in a room. */
export interface Crowd {
  /** Sorted by user, then session. Empty where the server only counts. */
  members: Member[];
  users: number;
  sessions: number;
}

/** A session that is in a room. */
export interface Member {
  /** "" for a stranger. */
  user: string;
  session: string;
  /** What the application says of it. */
  info?: unknown;
}

/** A room, or a wildcard, as one client sees it. The handle counts joins: parts of a page may share it. */
export interface Room<Types extends object = { [type: string]: any }> {
  readonly name: string;
  /**
   * That of the last message that was handed to functions, or taken over from a gap: where the room goes on when it comes
   * back. undefined before the first join, and in rooms without history.
   */
  readonly position: Position | undefined;
  /** Who is there, as the server last said. Nobody without `RoomOptions.presence`. */
  readonly present: Crowd;

  /** Messages are missing, before any that follow. */
  on(event: "$gap", f: (gap: Gap) => void): () => void;
  /** The stored messages were handed over; what follows arrives as it is published. Comes again after each join, and after a slow time. */
  on(event: "$live", f: () => void): () => void;
  /**
   * The server ended the membership, or refused it on the way back. `error.code` is why: `forbidden`, `removed`, or the
   * application's word. The room is not joined again unless `join` is called.
   */
  on(event: "$left", f: (error: TidewireError) => void): () => void;
  /** Who is there has changed. */
  on(event: "$presence", f: (crowd: Crowd) => void): () => void;
  /** Messages of a type that has no function of its own. */
  on(type: "*", f: (data: Types[keyof Types], m: AnyOf<Types>) => void): () => void;
  /**
   * Has f called with each message of that type, in the room's order. Returns what ends that. Functions are called
   * synchronously as messages arrive: call this before `join`. What they throw goes to `reportError`.
   */
  on<Type extends keyof Types & string>(type: Type, f: (data: Types[Type], m: Message<Types[Type], Type>) => void): () => void;

  /**
   * Joins the room, and resolves with the server's answer; without a connection, when there is one. From then on the room is joined again
   * on every new connection, where it was, until `leave`. Each join that resolves wants its leave. A refusal that may pass is
   * tried again.
   *
   * Rejects with the server's code, for example `forbidden`; `left`, `closed`, `sent-away`; `stale`: the handle was let go by `leave`, and
   * there is another one; the signal's reason, and then the join is taken back.
   */
  join(options?: { signal?: AbortSignal }): Promise<void>;

  /**
   * Takes one join back. The last one leaves the room at once: no function of it is called any more, and the handle is let go.
   * Resolves when the server has answered, or cannot.
   */
  leave(): Promise<void>;

  /**
   * Publishes a message, and resolves with its position when it is stored; with undefined in rooms without history.
   *
   * Without a connection it waits, within `queue`. When the connection is lost, or the server asks to try again, it is repeated with its
   * id for as long as the server knows that again: so it is stored once, and messages of one room in the order of the calls. The room
   * need not be joined.
   *
   * Rejects with a TidewireError: the server's code; `unknown` if nobody can say any more whether it was stored, with the `cause`;
   * `not-sent`; `queue-full`; `invalid`, `too-large`; `closed`; or with the signal's reason if it had not been sent.
   */
  send<Type extends keyof Types & string>(type: Type, ...rest: Rest<Types[Type], SendOptions>): Promise<Position | undefined>;

  /**
   * Sends a message that is not stored, never queued and never repeated. Returns false if it was not sent: there is no
   * connection, or 256 KiB wait for the network already. A refusal is told as `refused`.
   *
   * @throws TidewireError `invalid` or `too-large`.
   */
  cast<Type extends keyof Types & string>(type: Type, ...rest: Rest<Types[Type], never>): boolean;

  /**
   * Resolves with at most `limit` (50; at most 200) stored messages below the sequence number `before` (default: the newest), the
   * oldest first. `more`: there are still older ones. The room need not be joined, and its position does not move. Rejects as `call` does,
   * but never with `unknown`: it is repeated when the connection is lost.
   */
  history(options?: { before?: number; limit?: number; signal?: AbortSignal }): Promise<{ messages: AnyOf<Types>[]; more: boolean }>;

  /**
   * Joins the room and yields its messages of that type, in its order, from the loop's first step on; leaving the loop takes the join
   * back. Where messages are missing it yields an item with `gap`, and goes on: a gap of the room's, or `overflow` when the body is
   * slower than the room for longer than `Options.inbox` allows.
   *
   * Throws as `join` does; behind what still waits, the reason for which the server ended the membership, `left` or `closed`; and at once
   * the signal's reason.
   */
  messages<Type extends (keyof Types & string) | "*" = "*">(
    type?: Type,
    options?: { signal?: AbortSignal },
  ): AsyncGenerator<(Type extends keyof Types & string ? Message<Types[Type], Type> : AnyOf<Types>) | GapItem, never>;
}

export interface SendOptions {
  /** In rooms that keep the latest value of each key: which value this is. */
  key?: string;
  signal?: AbortSignal;
}

/** Stands in a loop where messages are missing. */
export interface GapItem {
  gap: Gap;
  type?: undefined;
  data?: undefined;
}

/**
 * What a call fails with. `code` is a server's (docs/protocol.md lists them; an application's own contain a dot), or one of
 * `unknown`, `timeout`, `not-sent`, `queue-full`, `disconnected`, `sent-away`, `left`, `stale`, `closed`.
 */
export class TidewireError extends Error {
  /**
   * @param message for developers. Default: the code.
   */
  constructor(code: string, message?: string, more?: { retryable?: boolean; retryAfter?: number; status?: number; cause?: unknown });
  readonly code: string;
  /** The same may succeed later. */
  readonly retryable: boolean;
  /** After so many ms, if the server said so. */
  readonly retryAfter?: number;
  /** The code that the connection was closed with, of `disconnected` and `sent-away`. */
  readonly status?: number;
  readonly cause?: unknown;
}

// The types behind these.

/** Any message of a room, told apart by its type. */
export type AnyOf<Types extends object> = { [Type in keyof Types & string]: Message<Types[Type], Type> }[keyof Types & string];

/** The messages of the room with that name. */
export type TypesOf<Rooms extends object, Name extends string> = PatternOf<Rooms, Name> extends infer Pattern
  ? Pattern extends keyof Rooms
    ? Rooms[Pattern] extends infer Types extends object
      ? Types
      : never
    : { [type: string]: any }
  : never;

/** Options of a room. Where no pattern has the name there are none that would fit. */
export type RoomRest<Rooms extends object, Name extends string> = [PatternOf<Rooms, Name>] extends [never]
  ? [options: `no pattern of Rooms stands for ${Name}`]
  : [options?: RoomOptions];

/** The pattern of Rooms that counts for a name. */
type PatternOf<Rooms extends object, Name extends string> = string extends Name
  ? string
  : Name extends keyof Rooms
    ? Name
    : [Matching<Rooms, Name, "*">] extends [never]
      ? Matching<Rooms, Name, ">">
      : Matching<Rooms, Name, "*">;

type Matching<Rooms extends object, Name extends string, Kind extends "*" | ">"> = {
  [Pattern in keyof Rooms & string]: Matches<Name, Pattern> extends true ? (Pattern extends `${string}>` ? ">" : "*") extends Kind ? Pattern : never : never;
}[keyof Rooms & string];

type Matches<Name extends string, Pattern extends string> = string extends Pattern
  ? true
  : Pattern extends ">"
    ? true
    : Pattern extends `${infer P}:${infer Ps}`
      ? Name extends `${infer N}:${infer Ns}`
        ? Stands<P, N> extends true
          ? Matches<Ns, Ps>
          : false
        : false
      : Name extends `${string}:${string}`
        ? false
        : Stands<Pattern, Name>;

/** One segment of a pattern, and one of a name. */
type Stands<P extends string, N extends string> = P extends "*" ? true : N extends P ? true : false;

type DataOf<F> = F extends (...data: infer Data) => unknown ? Data[0] : never;
type AnswerOf<F> = F extends (...data: never[]) => infer Answer ? Awaited<Answer> : never;

/** Data, which may be left out if it may be undefined, and options, if there are any. */
type Rest<Data, More> = [More] extends [never]
  ? undefined extends Data ? [data?: Data] : [data: Data]
  : undefined extends Data ? [data?: Data, options?: More] : [data: Data, options?: More];
