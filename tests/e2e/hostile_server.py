"""A server that is no supervisor, and what the client package makes of it; run by an interpreter of any version: hostile_server.py

Every row must end in an exception of the package, soon, and without taking much memory. Prints "ok N", or what went wrong.
"""
import asyncio
import os
import re
import socket
import sys
import tempfile
import threading
import time

import msgpack
import warder
import warder.wire

LIMIT = 16 << 20  # in the place of what a real answer may have
warder.wire.ANSWER_MAX = LIMIT
SOON = 60


def answer(result, error=None, msgid=1):
    return msgpack.packb([1, msgid, error, result])


def endless(piece):
    while True:
        yield piece


def refusal():
    """What is said before hanging up on the rest of a request."""
    yield answer(None, "too_large: message: has more bytes than that")
    time.sleep(0.1)  # until the client sends into what does not take any more


def result(**more):
    return answer({"job": "j", "outcome": "exited", "exit_code": 0, **more})


# name, what the server sends (bytes, or pieces without an end), the exception
ROWS = [
    ("nothing", b"", warder.Disconnected),
    ("half an answer", answer({"job": "x"})[:-1], warder.Disconnected),
    ("garbage", b"\xc1" * 100, warder.Disconnected),
    ("text", b"HTTP/1.1 400 Bad Request\r\n\r\n", warder.Disconnected),
    ("endless garbage", endless(b"\xc1" * 65536), warder.Disconnected),
    ("endless numbers", endless(b"\x01" * 65536), warder.Disconnected),
    ("a length of 4 GiB", b"\x94\x01\x01\xc0\xc6\xff\xff\xff\xff" + b"x" * 1000, warder.Disconnected),
    ("a list of 4 G", b"\xdd\xff\xff\xff\xff" + b"\x01" * 1000, warder.Disconnected),
    ("a map of 4 G", b"\xdf\xff\xff\xff\xff" + b"\x01" * 1000, warder.Disconnected),
    ("an endless string", (p for part in ([b"\x94\x01\x01\xc0\xdb\x00\xff\xff\xff"], endless(b"x" * 65536)) for p in part), warder.Disconnected),
    ("too deep", b"\x91" * 100000, warder.Disconnected),
    ("a list as key", b"\x94\x01\x01\xc0\x81\x91\x01\x01", warder.Disconnected),
    ("no message", msgpack.packb(5), warder.Disconnected),
    ("an empty one", msgpack.packb([]), warder.Disconnected),
    ("a short one", msgpack.packb([1, 1]), warder.Disconnected),
    ("nil", b"\xc0", warder.Disconnected),
    ("another's answer", answer(1, msgid=2), warder.Disconnected),
    ("others' answers without end", endless(answer(1, msgid=2) * 1000), warder.TimedOut),
    ("output without end", endless(msgpack.packb([2, "output", [{"stream": "stdout", "data": b"x" * 60000}]])), warder.TimedOut),
    ("output of nothing", msgpack.packb([2, "output", [{}]]), warder.Disconnected),
    ("a result that is none", answer(5), warder.Disconnected),
    ("an empty result", answer({}), warder.Disconnected),
    ("violations of nothing", result(violations=[5]), warder.Disconnected),
    ("usage of nothing", result(usage=[1]), warder.Disconnected),
    ("no bytes", result(stdout=7), warder.Disconnected),
    ("an error that is no text", answer(None, {"a": 1}), warder.RequestError),
    ("an unknown error", answer(None, "what: is this"), warder.RequestError),
    ("an error without words", answer(None, ""), warder.RequestError),
    ("a refusal of a large request", refusal, warder.TooLarge),
    ("a date beyond all", b"\x94\x01\x01\xc0\xc7\x0c\xff" + b"\xff" * 12, warder.Disconnected),
]


def serve(listener, data):
    """One connection, until the client has gone."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        try:
            for piece in [data] if isinstance(data, bytes) else data() if callable(data) else data:
                connection.sendall(piece)
        except OSError:
            pass


async def run_async(path, timeout, code):
    async with warder.AsyncClient(path, timeout=timeout) as client:
        await client.run(code)


def run(path, timeout, code):
    with warder.Client(path, timeout=timeout) as client:
        client.run(code)


def main():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "s")
    wrong = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(4)
        for how in (run, lambda *how: asyncio.run(run_async(*how))):
            for name, data, expected in ROWS:
                thread = threading.Thread(target=serve, args=(listener, data), daemon=True)
                thread.start()
                began = time.monotonic()
                try:
                    how(path, 0.3 if expected is warder.TimedOut else SOON, "1" * (8 << 20) if expected is warder.TooLarge else "1")
                    got = "a result"
                except expected:
                    got = None
                except BaseException as e:  # noqa: B902 - whatever else it is, it is wrong
                    got = repr(e)
                thread.join(SOON)
                if got or time.monotonic() - began > SOON or thread.is_alive():
                    wrong.append("%s: %s" % (name, got or "it took too long"))
    os.unlink(path)
    os.rmdir(folder)
    with open("/proc/self/status") as f:  # getrusage's peak begins with the parent's
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) >> 10
    if peak > 300:
        wrong.append("%d MiB" % peak)
    print("\n".join(wrong) or "ok %d" % len(ROWS))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
