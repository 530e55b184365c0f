import asyncio
import sys

import httpx

host, port = sys.argv[1], int(sys.argv[2])
base = f"http://{host}:{port}"
with httpx.Client(base_url=base) as c:
    print(c.get("/a").text, c.post("/b", content=b"123").text, c.get("/redirect").status_code)
    print(len(c.get("/big").content))


async def main():
    async with httpx.AsyncClient(base_url=base) as a:
        answers = await asyncio.gather(*(a.get(f"/{i}") for i in range(8)))
        print(sorted(r.text for r in answers))
        try:
            await a.get("/slow", timeout=0.3)
        except httpx.TimeoutException as e:
            print(type(e).__name__)


asyncio.run(main())
