"""What a hub does seldom, played by the test in Go: see TestRules."""

import asyncio
import sys

from tidewire_client import Client


async def main(url):
    over = asyncio.Event()
    c = Client(url)
    c.handle("over", lambda _: over.set())
    await c.open()
    await c.room(
        "room:1",
        presence=True,
        on_message=lambda m: print("message", m["data"]),
        on_presence=lambda present: print("present", sorted(user for user, _ in present.values())),
    ).join()
    await over.wait()
    await c.close()


asyncio.run(main(sys.argv[1]))
