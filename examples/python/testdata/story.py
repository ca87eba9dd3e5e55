"""What the test in Go has the client do. Each line of the output is an event, which the test compares."""

import asyncio
import sys

from tidewire_client import Client, Closed, Error, Unknown

seen, renewed = [], asyncio.Event()


async def until(what):
    while what not in seen:
        await asyncio.sleep(0.01)


def token(why):
    if why == "expiry":
        renewed.set()
    return "ann's"


def told(kind):
    def f(m):
        seen.append(m["data"] if kind == "message" else m["reason"])
        print(kind, seen[-1])

    return f


async def main(url):
    try:
        await Client(url, lambda why: "forged").open()
    except Error as e:
        print("forged token:", e.code)

    c = Client(url, token)
    c.handle("confirm", lambda question: question + " yes")
    await c.open()
    print("user", c.user)
    try:
        await c.room("secret:1").join()
    except Error as e:
        print("secret:", e.code)

    room = c.room("room:7", on_message=told("message"), on_gap=told("gap"))
    await room.join()
    positions = [await room.publish("note", f"p{i}") for i in range(3)]
    print("positions rise", all(a["seq"] < b["seq"] for a, b in zip(positions, positions[1:])))
    await until("p2")
    print("sum", await c.call("sum", [1, 2, 3]))
    print("asked", await c.call("ask-me"))
    try:
        await c.call("no-such-call")
    except Error as e:
        print("no such call:", e.code)

    # The hub cuts the connection, and publishes to the room before it is back.
    lost = asyncio.gather(c.call("cut", 20), return_exceptions=True)
    print("cut:", isinstance((await lost)[0], Unknown))
    await until("h20")
    # It cuts the connection while a publish is on its way, which is repeated.
    mid = "m-lost-answer"
    first = await room.publish("note", "cut me", mid=mid)
    print("stored once", first == await room.publish("note", "cut me", mid=mid))
    await until("cut me")
    # More than the history holds.
    await asyncio.gather(c.call("cut", 80), return_exceptions=True)
    await until("h100")

    await asyncio.wait_for(renewed.wait(), 20)
    print("renewed", await c.call("sum", [4]))
    await asyncio.gather(c.call("send-me-away"), return_exceptions=True)
    try:
        await c.open()
        await c.call("sum", [])
    except Closed as e:
        print("sent away:", e.code, e.message)


asyncio.run(main(sys.argv[1]))
