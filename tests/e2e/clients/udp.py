import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(5)
    s.sendto(b"abc", (host, port))
    data, peer = s.recvfrom(100)
    print(data, peer == (host, port))
    print(s.sendmsg([b"x", b"yz"], [], 0, (host, port)), s.recv(100))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(5)
    s.connect((host, port))
    print(s.send(b"12345"), s.recv(100), s.getpeername() == (host, port))
    print(s.send(b"z" * 60000), len(s.recv(65536)))
