"""Chats in a room: python3 demo.py ws://127.0.0.1:8080/live room:7. Each line that is typed is a message."""

import asyncio
import sys

from tidewire_client import Client


async def main(url, name):
    client = Client(url)
    room = client.room(
        name,
        last=20,
        on_message=lambda m: print(m.get("from", "somebody") + ":", m.get("data")),
        on_gap=lambda gap: print("-- messages are missing:", gap["reason"]),
    )
    await client.open()
    await room.join()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await room.publish("chat", line.strip())
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
