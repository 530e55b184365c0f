import asyncio
import errno
import select
import socket
import struct
import sys
import time

import requests

host, closed, hole = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def took(start):
    return f"{round(time.monotonic() - start, 1):.1f}"


def attempt(what, call):
    start = time.monotonic()
    try:
        print(what, call())
    except Exception as e:
        print(what, type(e).__name__, getattr(e, "errno", None), took(start))


attempt("refused", lambda: socket.create_connection((host, closed)))
attempt("refused in time", lambda: socket.create_connection((host, closed), timeout=5))
attempt("timeout", lambda: socket.create_connection((host, hole), timeout=0.5))
attempt("requests refused", lambda: requests.get(f"http://{host}:{closed}/"))
attempt("requests timeout", lambda: requests.get(f"http://{host}:{hole}/", timeout=0.5))
attempt("asyncio refused", lambda: asyncio.run(asyncio.open_connection(host, closed)))
attempt("asyncio timeout", lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection(host, hole), 0.5)))

s = socket.socket()
s.setblocking(False)
print(errno.errorcode[s.connect_ex((host, closed))], select.select([], [s], [], 5)[1] == [s])
print(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
s.close()

s = socket.socket()
s.setblocking(False)
print(errno.errorcode[s.connect_ex((host, hole))], select.select([], [s], [], 0.2)[1])
print(errno.errorcode[s.connect_ex((host, hole))], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
s.close()

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 500000))
attempt("send timeout", lambda: s.connect((host, hole)))
