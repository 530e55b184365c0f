import asyncio


async def producer(queue, n):
    for i in range(n):
        await queue.put(i)
    await queue.put(None)


async def consumer(queue, out):
    while (item := await queue.get()) is not None:
        out.append(item * 2)


async def main():
    queue, out, lock = asyncio.Queue(maxsize=2), [], asyncio.Lock()
    async with asyncio.TaskGroup() as group:
        group.create_task(producer(queue, 10))
        group.create_task(consumer(queue, out))
    async with lock:
        print(out)
    sem = asyncio.Semaphore(2)
    peak = now = 0

    async def bounded():
        nonlocal peak, now
        async with sem:
            now += 1
            peak = max(peak, now)
            await asyncio.sleep(0.001)
            now -= 1

    await asyncio.gather(*(bounded() for _ in range(10)))
    print("peak", peak)


asyncio.run(main())
