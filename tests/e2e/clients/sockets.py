import select
import selectors
import socket
import struct
import sys
import threading

host, port = sys.argv[1], int(sys.argv[2])

with socket.create_connection((host, port)) as s:
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0, s.family, s.type, s.getpeername() == (host, port))
    s.sendall(b"hello")
    print(s.recv(5, socket.MSG_WAITALL))
    s.sendmsg([b"two ", b"parts"])
    print(s.recv(9, socket.MSG_WAITALL), s.recv_into(bytearray(1), 1, socket.MSG_DONTWAIT) if select.select([s], [], [], 0)[0] else "none")
    f = s.makefile("rwb")
    f.write(b"line\n")
    f.flush()
    print(f.readline())
    s.shutdown(socket.SHUT_WR)
    print(s.recv(10))

# without blocking, watched in each way there is
for name in ("poll", "epoll", "select"):
    s = socket.socket()
    s.setblocking(False)
    print(name, s.connect_ex((host, port)) in (0, 115))
    if name == "poll":
        p = select.poll()
        p.register(s, select.POLLOUT)
        events = [e & select.POLLOUT for _, e in p.poll(5000)]
    elif name == "epoll":
        with select.epoll() as p:
            p.register(s, select.EPOLLOUT)
            events = [e & select.EPOLLOUT for _, e in p.poll(5)]
    else:
        events = [bool(select.select([], [s], [], 5)[1]) and 4]
    print(events, s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.connect_ex((host, port)))
    s.close()

# a socket that threads share
s = socket.create_connection((host, port))
got = []
t = threading.Thread(target=lambda: got.append(s.recv(6, socket.MSG_WAITALL)))
t.start()
s.send(b"thread")
t.join(10)
print(got)
d = s.dup()
s.close()
d.sendall(b"dup")
print(d.recv(3, socket.MSG_WAITALL))
d.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
d.close()

with selectors.DefaultSelector() as sel:
    pair = socket.socketpair()
    sel.register(pair[0], selectors.EVENT_READ)
    pair[1].send(b"x")
    print(len(sel.select(5)))
