import asyncio
import hashlib
import os
import sys

host, port = sys.argv[1], int(sys.argv[2])


async def talk(i):
    reader, writer = await asyncio.open_connection(host, port)
    data = bytes([i]) * 50000
    writer.write(data)
    await writer.drain()
    writer.write_eof()
    back = await reader.read()
    writer.close()
    await writer.wait_closed()
    return back == data


async def main():
    print(await asyncio.gather(*(talk(i) for i in range(20))))
    loop = asyncio.get_running_loop()
    data = os.urandom(1 << 20)
    reader, writer = await asyncio.open_connection(host, port)
    want, got = hashlib.sha256(data), hashlib.sha256()

    async def send():
        writer.write(data)
        await writer.drain()
        writer.write_eof()
    sending = loop.create_task(send())
    while piece := await reader.read(10000):
        got.update(piece)
    await sending
    print(want.digest() == got.digest())


asyncio.run(main())
