"""The bare warm fork: a CPython with the same modules loaded that forks, runs a print, exits and is reaped. No sandbox.

warm.py COUNT PAUSE_S MODULE…: prints the whole time in ns, then one duration in ns a line.
"""
import os
import sys
import time


def one(code):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        exec(compile(code, "/tmp/main.py", "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    os.close(writer)
    while os.read(reader, 65536):
        pass
    os.close(reader)
    os.waitpid(pid, 0)


def main():
    count, pause = int(sys.argv[1]), float(sys.argv[2])
    for name in sys.argv[3:]:
        __import__(name)
    for _ in range(20):
        one("print('hello')")
    times = []
    start = time.perf_counter_ns()
    for _ in range(count):
        if pause:
            time.sleep(pause)
        before = time.perf_counter_ns()
        one("print('hello')")
        times.append(time.perf_counter_ns() - before)
    print(time.perf_counter_ns() - start, *times, sep="\n")


main()
