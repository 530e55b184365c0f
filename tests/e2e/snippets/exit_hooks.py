# What the end of a program still does: handlers of the log that kept lines back, workers of an executor, exit handlers after them.
import atexit
import concurrent.futures
import logging
import logging.handlers
import random
import sys
import threading

print([name for name in ("last_type", "last_value", "last_traceback", "last_exc") if hasattr(sys, name)])

log = logging.getLogger("kept")
log.addHandler(logging.handlers.MemoryHandler(1000, target=logging.StreamHandler(sys.stdout)))
log.warning("a line that is kept until the end")

done = []
pool = concurrent.futures.ThreadPoolExecutor(2)
started = threading.Event()
pool.submit(lambda: (started.set(), threading.Event().wait(0.05), done.append("slow")))
started.wait()


@atexit.register
def late():
    print("workers have ended:", done, threading.active_count(), threading.main_thread().is_alive())
    for other in (pool, concurrent.futures.ThreadPoolExecutor(1)):
        try:
            other.submit(print, "too late")
        except RuntimeError as e:
            print("refused:", e)


random.seed(5)
print(random.random(), random.gauss(0, 1))
print("last line")
