import bisect
import graphlib
import heapq
import queue
import sched
import threading
import time
import timeit

h = [5, 1, 4]
heapq.heapify(h)
heapq.heappush(h, 2)
print([heapq.heappop(h) for _ in range(4)], heapq.nlargest(2, [3, 9, 7]), list(heapq.merge([1, 4], [2, 3])))
a = [1, 3, 5]
bisect.insort(a, 4)
print(a, bisect.bisect_left(a, 3), list(graphlib.TopologicalSorter({"c": {"b"}, "b": {"a"}}).static_order()))
q, out = queue.PriorityQueue(), queue.Queue()


def worker():
    while True:
        item = q.get()
        out.put(item[1])
        q.task_done()


for n, w in ((3, "c"), (1, "a"), (2, "b")):
    q.put((n, w))
threading.Thread(target=worker, daemon=True).start()
q.join()
print([out.get(timeout=5) for _ in range(3)], out.empty())
s = sched.scheduler(time.monotonic, time.sleep)
s.enter(0.02, 1, print, ("second",))
s.enter(0.01, 1, print, ("first",))
s.run()
print(timeit.timeit("1 + 1", number=1000) >= 0)
