import asyncio
import sys

import aiohttp

host, port = sys.argv[1], int(sys.argv[2])
base = f"http://{host}:{port}"


async def main():
    async with aiohttp.ClientSession() as s:
        async def get(i):
            async with s.get(f"{base}/{i}") as r:
                return await r.text()
        print(sorted(await asyncio.gather(*(get(i) for i in range(10)))))
        async with s.post(base + "/post", data=b"q" * 300000) as r:
            print(r.status, await r.text())
        async with s.get(base + "/big") as r:
            print(sum([len(piece) async for piece in r.content.iter_chunked(4096)]))
        try:
            async with s.get(base + "/slow", timeout=aiohttp.ClientTimeout(total=0.3)) as r:
                print(await r.text())
        except asyncio.TimeoutError as e:
            print(type(e).__name__)


asyncio.run(main())
