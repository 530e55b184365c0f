import os
import select
import selectors
import socket
import threading

a, b = socket.socketpair()
a.sendall(b"ping")
print(select.select([b], [], [], 5)[0] == [b], b.recv(10))
with selectors.DefaultSelector() as sel:
    sel.register(b, selectors.EVENT_READ, "b")
    t = threading.Timer(0.02, a.send, [b"later"])
    t.start()
    print([(k.data, e) for k, e in sel.select(5)], b.recv(10))
    t.join()
r, w = os.pipe()
os.write(w, b"x" * 10)
poll = select.poll()
poll.register(r, select.POLLIN)
print([e for _, e in poll.poll(1000)], len(os.read(r, 100)), os.get_blocking(r))
epoll = select.epoll()
epoll.register(r, select.EPOLLIN)
print(epoll.poll(0.01))
os.close(w)
print(os.read(r, 1), socket.inet_aton("10.0.0.1"), socket.htons(80), socket.ntohl(1))
a.shutdown(socket.SHUT_WR)
print(b.recv(1), b.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM)
f = a.makefile("rb")
b.sendall(b"line 1\nline 2\n")
print(f.readline(), f.readline())
