"""A client for a Tidewire hub, written from docs/protocol.md and nothing else. It needs the module websockets.

    client = Client("ws://127.0.0.1:8080/live", token=fetch_token)
    await client.open()
    room = client.room("room:7", last=50, on_message=print, on_gap=print)
    await room.join()
    await room.publish("chat", {"text": "hi"})

It comes back when the connection is lost, joins its rooms with the positions that they have reached, and repeats
publishes that were not answered. Callbacks are plain functions: one that has to wait starts a task. No wildcards.
"""

import asyncio
import json
import logging
import random
import secrets
import time

import websockets

log = logging.getLogger("tidewire")
PUBLISHES, PING = 32, 25000  # under way at once: the hub takes 64 unless told otherwise; milliseconds


class Error(Exception):
    """What the other side answered: a code of docs/protocol.md, or one of the application's, which has a dot."""

    def __init__(self, code, message="", retryable=False, retryAfter=0, **_):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.retryable, self.retry_after = code, message, retryable, retryAfter


class Unknown(Exception):
    """The connection was lost before the answer: it may or may not have happened."""


class Closed(Error):
    """The client has ended, by close() or because the server sent it away: code and message say how."""


class Room:
    """A room as the client sees it. pos is what it has reached: kept, and given to Client.room, it goes on there."""

    def __init__(self, client, name, pos, fields, callbacks):
        self.client, self.name, self.pos, self.fields, self.callbacks = client, name, pos, fields, callbacks
        self.wanted, self.joining, self.waiter, self.epoch = False, False, None, None
        self.version, self.present, self.count = None, {}, None  # session: (user, info); count where it is all there is

    def tell(self, event, *args):
        try:
            self.callbacks.get("on_" + event, lambda *_: None)(*args)
        except Exception:  # noqa: BLE001 the application's failures are no business of the connection's
            log.exception("a callback failed")

    async def join(self):
        self.wanted, self.waiter = True, self.waiter or asyncio.get_running_loop().create_future()
        self.send_join()
        await self.waiter

    async def leave(self):
        self.wanted, self.pos = False, None
        await self.client.request({"type": "$leave", "room": self.name})

    async def publish(self, typ, data=None, mid=None, **key):
        """Returns the position, None in rooms without history, once the message is stored."""
        mid = mid or secrets.token_urlsafe(12)
        return await self.client.publish({"type": typ, "room": self.name, "mid": mid, "data": data, **key})

    def request(self):
        return {"room": self.name, **({"pos": self.pos} if self.pos else {})}

    def send_join(self):
        if self.client.ready and self.wanted and not self.joining:
            self.joining = True  # until the reply, what comes of this room belongs to what was before
            self.client.ask({"type": "$join", **self.request(), "data": self.fields}, self.joined)

    def joined(self, m):
        """Takes the reply to a join, of $hello's too. None: the connection was lost, and the next one asks again."""
        self.joining = False
        if m is None or not self.wanted:
            return
        waiter, e = self.waiter, Error(**m["data"]) if m["type"] == "$error" else None
        if e and e.retryable:
            asyncio.get_running_loop().call_later((e.retry_after or 1000) / 1000, self.send_join)
            return
        self.waiter = None
        if e:
            self.wanted = False
            return waiter.set_exception(e) if waiter else self.tell("left", e.code)
        self.epoch = m["pos"]["epoch"] if "pos" in m else None
        if not self.pos or not self.epoch:
            self.pos = m.get("pos")  # otherwise what follows continues ours, or $gap comes first
        if waiter:
            waiter.set_result(None)

    def receive(self, m):
        typ, pos, data = m["type"], m.get("pos"), m.get("data")
        if self.joining or not self.wanted:
            return
        if typ in ("$gap", "$live"):
            self.tell(typ[1:], data)
            if pos:
                self.pos, self.epoch = pos, pos["epoch"]
        elif typ == "$left":
            self.wanted = False
            self.tell("left", data["reason"])
        elif typ == "$presence":
            self.presence(data)
        elif pos is None:
            self.tell("message", m)
        elif not self.pos or pos["seq"] > self.pos["seq"]:  # otherwise we had it
            if self.pos and m.get("prev", 0) > self.pos["seq"]:
                return self.send_join()  # something is missing in between
            self.pos = {"epoch": self.epoch, "seq": pos["seq"], "mid": m["mid"]}
            self.tell("message", m)

    def presence(self, d):
        self.count = d.get("count")
        if "users" in d:
            self.present = {s["session"]: (u.get("user"), s.get("info")) for u in d["users"] for s in u["sessions"]}
        elif self.count:
            self.present = {}
        elif self.version is not None and d["version"] <= self.version:
            return  # a snapshot said so already
        elif self.version is None or d["version"] > self.version + 1:
            snapshot = {"type": "$presence", "room": self.name}
            return self.client.ask(snapshot, lambda m: m and m["type"] == "$ok" and self.presence(m["data"]))
        self.present.update({w["session"]: (w.get("user"), w.get("info")) for w in d.get("join", ())})
        for who in d.get("leave", ()):
            self.present.pop(who["session"], None)
        self.version = d["version"]
        self.tell("presence", self.present)


class Client:
    """A connection that comes back. token(why) is asked on "hello", "expiry" and "refused", and may be async."""

    def __init__(self, url, token=None):
        self.url, self.token, self.secret = url, token, secrets.token_urlsafe(24)  # see client in $hello
        self.rooms, self.handlers, self.pending, self.replies, self.tasks = {}, {}, [], {}, set()
        self.backoff, self.dedupe, self.ids, self.why, self.refusals = (500, 20000), 120000, 0, "hello", 0
        self.conn = self.outbox = self.user = self.session = self.ended = self.runner = None
        self.ready, self.drained, self.changed, self.slots = False, False, asyncio.Event(), asyncio.Semaphore(PUBLISHES)

    def room(self, name, last=0, pos=None, token="", presence=False, **callbacks):
        """callbacks: on_message(m), on_gap(data), on_live(data), on_left(reason), on_presence(present)."""
        fields = {k: v for k, v in {"last": last, "token": token, "presence": presence}.items() if v}
        return self.rooms.setdefault(name, Room(self, name, pos, fields, callbacks))

    def handle(self, typ, f):
        """f(data), which may be async, takes the messages of that type without a room; it returns the reply."""
        self.handlers[typ] = f

    async def open(self):
        """Waits until there is a connection whose $hello was answered; raises Error if the token was refused."""
        self.runner = self.runner or asyncio.create_task(self.run())
        while not self.ready:
            if self.ended:
                raise self.ended
            self.changed.clear()
            await self.changed.wait()

    async def close(self):
        self.end(Closed(1000))
        self.runner.cancel()
        await asyncio.gather(self.runner, return_exceptions=True)

    def end(self, why):
        self.ended = self.ended or why
        self.changed.set()
        for done in [p["done"] for p in self.pending] + [r.waiter for r in self.rooms.values() if r.waiter]:
            if not done.done():
                done.set_exception(self.ended)

    async def call(self, typ, data=None):
        return (await self.request({"type": typ, "data": data})).get("data")

    async def request(self, m):
        await self.open()
        done = asyncio.get_running_loop().create_future()
        self.ask(m, lambda reply: done.done() or done.set_result(reply))
        reply = await done
        if reply is None:
            raise Unknown(m["type"])
        if reply["type"] == "$error":
            raise Error(**reply["data"])
        return reply

    def ask(self, m, f):
        """Sends a request. f gets the reply where it is read, or None when the connection is lost."""
        self.ids += 1
        self.replies[self.ids] = f
        self.outbox.put_nowait({**m, "id": self.ids})

    async def publish(self, m):
        async with self.slots:
            if self.ended:
                raise self.ended
            p = {"m": m, "first": None, "done": asyncio.get_running_loop().create_future()}
            self.pending.append(p)
            try:
                self.send_publish(p)
                return await p["done"]
            finally:
                self.pending.remove(p)

    def send_publish(self, p):
        """Sends it for the first time, or again: with the same mid, and within the time that the hub knows that."""

        def settle(result=None, error=None):
            if not p["done"].done():
                p["done"].set_exception(error) if error else p["done"].set_result(result)

        def answered(reply):
            if reply and reply["type"] == "$ok":
                settle(reply.get("pos"))
            elif reply and reply["data"]["code"] != "draining":  # that, and no reply, leave it to the next connection
                settle(error=Error(**reply["data"]))

        if not self.ready:
            return
        if p["first"] is None:
            p["first"] = time.time()
            asyncio.get_running_loop().call_later(self.dedupe / 1000, settle, None, Unknown("publish"))
        if time.time() - p["first"] >= self.dedupe / 1000:  # the clock on the wall: it goes on while a laptop sleeps
            settle(error=Unknown("publish"))
        else:
            self.ask(p["m"], answered)

    async def run(self):
        n, options = 0, {"subprotocols": ["tidewire.v1.json"], "ping_interval": None, "max_size": 1 << 24}
        while not self.ended:
            began, code, reason = time.monotonic(), None, ""
            try:
                async with websockets.connect(self.url, **options) as conn:
                    try:
                        await self.talk(conn)
                    finally:
                        self.lost()
                        await conn.close()
                        code, reason = conn.close_code, conn.close_reason
            except Exception as e:  # noqa: BLE001 no connection, no token, the connection was lost, or:
                reason = reason or repr(e)
                if isinstance(e, Error) and not e.retryable:  # the reply to $hello, sent once on each connection
                    self.why, self.refusals = "refused", self.refusals + 1
                    if self.refusals > 1 or e.code != "unauthorized":
                        return self.end(e)
            if code == 4403:
                return self.end(Closed(code, reason))
            self.why = "refused" if code == 4401 else self.why
            n = 1 if time.monotonic() - began >= 5 else n + 1
            least, most = self.backoff
            top = most if self.drained else min(most, least * 2 ** min(n, 30))
            wait, self.drained = most if code in (1008, 1009) else random.uniform(least, top), False
            log.info("lost (%s %s), back in %d ms", code, reason, wait)
            await asyncio.sleep(wait / 1000)

    def lost(self):
        self.ready, self.conn, replies, self.replies = False, None, self.replies, {}
        for f in replies.values():
            f(None)

    async def new_token(self, why):
        return await settled(self.token(why)) if self.token else None

    async def talk(self, conn):
        token, self.why = await self.new_token(self.why), "hello"
        self.conn, self.outbox = conn, asyncio.Queue()
        wanted = [r for r in self.rooms.values() if r.wanted][:50]
        for r in wanted:
            r.joining = True
        data = {"client": self.secret, "ping": PING, "join": [{**r.request(), **r.fields} for r in wanted]}
        self.ask({"type": "$hello", "data": {**data, **({"token": token} if token else {})}}, self.welcome)
        helpers = [asyncio.create_task(self.write(conn)), asyncio.create_task(self.renew(conn))]
        try:
            while True:  # the server says $ping when it has nothing else to say
                self.receive(json.loads(await asyncio.wait_for(conn.recv(), 2 * PING / 1000)))
        finally:
            for r in wanted:
                r.joining = False
            for task in helpers:
                task.cancel()

    def welcome(self, m):
        if m is None:
            return
        if m["type"] == "$error":
            raise Error(**m["data"])  # into talk
        d, self.ready, self.refusals = m["data"], True, 0
        self.session, self.user, self.ttl = d["session"], d.get("user"), d.get("ttl")
        self.dedupe, self.backoff = d.get("dedupe", self.dedupe), d.get("backoff", self.backoff)
        self.changed.set()
        for r in self.rooms.values():
            r.send_join()
        for p in list(self.pending):
            self.send_publish(p)

    async def write(self, conn):
        while True:
            await conn.send(json.dumps(await self.outbox.get()))

    async def renew(self, conn):
        await self.open()
        while self.ttl:
            await asyncio.sleep(self.ttl / 1000 * 0.8)
            try:
                m = await self.request({"type": "$refresh", "data": {"token": await self.new_token("expiry")}})
                self.ttl = m["data"].get("ttl")
            except Error:
                self.why = "refused"
                return await conn.close()  # the next connection brings another one

    def receive(self, m):
        typ, room = m["type"], self.rooms.get(m.get("room"))
        if "re" in m:
            self.replies.pop(m["re"], lambda _: None)(m)
        elif typ in ("$ok", "$error"):  # without re: to a join in $hello, or one that the application made
            if room and "mid" not in m:
                room.joined(m)
        elif "room" in m:
            if room:
                room.receive(m)
        elif typ == "$drain":
            self.backoff, self.drained = m["data"]["backoff"], True
        elif not typ.startswith("$") or "id" in m:
            task = asyncio.create_task(self.answer(m))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def answer(self, m):
        conn, f, reply = self.conn, self.handlers.get(m["type"]), {"type": "$ok"}
        try:
            if m["type"] != "$ping":
                if not f:
                    raise Error("unknown-type", "no handler for " + m["type"])
                reply["data"] = await settled(f(m.get("data")))
        except Error as e:
            reply = {"type": "$error", "data": {"code": e.code, "message": e.message, "retryable": e.retryable}}
        except Exception:  # noqa: BLE001
            log.exception("a handler failed")
            reply = {"type": "$error", "data": {"code": "internal", "message": "the handler failed"}}
        if "id" in m and self.conn is conn:
            self.outbox.put_nowait({**reply, "re": m["id"]})


async def settled(v):
    return await v if asyncio.iscoroutine(v) else v
