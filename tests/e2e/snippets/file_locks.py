import fcntl
import os
import sqlite3
import tempfile
import threading
import time

os.chdir(tempfile.mkdtemp())
order = []


def waits(take):
    """A thread waits for what the main thread holds."""
    started = threading.Event()

    def other():
        with open("lock", "r+") as f:
            started.set()
            take(f, fcntl.LOCK_EX)
            order.append("other")

    thread = threading.Thread(target=other)
    with open("lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        thread.start()
        started.wait()
        time.sleep(0.02)
        order.append("main")
        fcntl.flock(f, fcntl.LOCK_UN)
    thread.join()


waits(fcntl.flock)
print(order)

with open("lock", "r+") as a, open("lock", "r+") as b:
    fcntl.flock(a, fcntl.LOCK_SH)
    fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB)
    try:
        fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        print("busy", e.errno)
    fcntl.lockf(a, fcntl.LOCK_EX)
    fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB)  # one process never conflicts with itself
    fcntl.lockf(a, fcntl.LOCK_UN)
try:
    with open("lock") as f:
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError as e:
    print("read only", e.errno)

for mode in ("delete", "wal"):
    name = f"{mode}.db"
    first, second = (sqlite3.connect(name, timeout=10, isolation_level=None, check_same_thread=False) for _ in range(2))
    print(first.execute(f"pragma journal_mode = {mode}").fetchone())
    first.execute("create table t (who text, n int)")
    first.execute("begin immediate")
    first.execute("insert into t values ('first', 0)")
    print(second.execute("select count(*) from t").fetchone())
    second.execute("pragma busy_timeout = 0")
    try:
        second.execute("begin immediate")
    except sqlite3.OperationalError as e:
        print(e)
    first.execute("commit")
    second.execute("pragma busy_timeout = 10000")

    def write(connection, who):
        for n in range(30):
            connection.execute("insert into t values (?, ?)", (who, n))

    threads = [threading.Thread(target=write, args=x) for x in ((first, "first"), (second, "second"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(second.execute("select who, count(*), sum(n) from t group by who order by who").fetchall(),
          first.execute("pragma integrity_check").fetchone())
    first.close()
    second.close()
