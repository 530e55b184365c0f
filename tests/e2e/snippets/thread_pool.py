from concurrent.futures import ThreadPoolExecutor, as_completed, wait


def slow(n):
    return sum(i * i for i in range(n))


def fails(n):
    raise ValueError(f"job {n}")


with ThreadPoolExecutor(max_workers=8) as pool:
    print(list(pool.map(slow, range(0, 5000, 500))))
    futures = {pool.submit(slow, n): n for n in range(20)}
    print(sorted((futures[f], f.result()) for f in as_completed(futures))[-3:])
    f = pool.submit(fails, 3)
    done, pending = wait([f])
    print(repr(f.exception()), len(done), len(pending))
