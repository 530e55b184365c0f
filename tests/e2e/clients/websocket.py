import asyncio
import sys

import websockets

host, port = sys.argv[1], int(sys.argv[2])


async def main():
    async with websockets.connect(f"ws://{host}:{port}/") as w:
        await w.send("abc")
        print(await w.recv())
        await w.send(b"\0\1" * 100000)
        print(len(await w.recv()))
        await w.ping()
    async with websockets.connect(f"ws://{host}:{port}/") as w:
        print(w.open, w.subprotocol)


asyncio.run(main())
