import asyncio
import errno
import select
import socket
import struct
import sys
import time

import requests

host, closed, hole = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def attempt(what, call, least=0.0):
    start = time.monotonic()
    try:
        print(what, call())
    except Exception as e:
        took = time.monotonic() - start
        print(what, type(e).__name__, getattr(e, "errno", None), "early" if took < least else "late" if took > least + 4 else "in time")


attempt("refused", lambda: socket.create_connection((host, closed)))
attempt("refused in time", lambda: socket.create_connection((host, closed), timeout=5))
attempt("timeout", lambda: socket.create_connection((host, hole), timeout=0.5), 0.49)
attempt("requests refused", lambda: requests.get(f"http://{host}:{closed}/"))
attempt("requests timeout", lambda: requests.get(f"http://{host}:{hole}/", timeout=0.5), 0.49)
attempt("asyncio refused", lambda: asyncio.run(asyncio.open_connection(host, closed)))
attempt("asyncio timeout", lambda: asyncio.run(asyncio.wait_for(asyncio.open_connection(host, hole), 0.5)), 0.49)

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
attempt("send timeout", lambda: s.connect((host, hole)), 0.49)
