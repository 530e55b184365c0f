# The same end without a worker or a handler of the log: an executor that is made too late is refused.
import atexit
from concurrent.futures import ThreadPoolExecutor
import threading


class Late:
    def __del__(self):
        print("destructor", threading.active_count())


@atexit.register
def late():
    try:
        ThreadPoolExecutor(1).submit(print, "too late")
    except RuntimeError as e:
        print("refused:", e)


late_one = Late()
print("last line", [t.name for t in threading.enumerate()])
