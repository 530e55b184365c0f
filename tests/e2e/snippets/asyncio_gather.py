import asyncio


async def fetch(n):
    await asyncio.sleep(0.01 * (3 - n))
    return n * n


async def failing():
    await asyncio.sleep(0)
    raise RuntimeError("no")


async def main():
    print(await asyncio.gather(*(fetch(n) for n in range(3))))
    print(await asyncio.gather(fetch(1), failing(), return_exceptions=True))
    try:
        await asyncio.wait_for(asyncio.sleep(30), 0.01)
    except asyncio.TimeoutError:
        print("timed out")
    print(await asyncio.to_thread(sum, [1, 2, 3]))
    loop = asyncio.get_running_loop()
    print(await loop.run_in_executor(None, str.upper, "executor"))
    task = asyncio.create_task(asyncio.sleep(30))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")


asyncio.run(main())
