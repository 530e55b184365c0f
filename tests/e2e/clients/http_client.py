import http.client
import sys

host, port = sys.argv[1], int(sys.argv[2])
c = http.client.HTTPConnection(host, port, timeout=10)
for method, path, body in (("GET", "/a?b=c", None), ("POST", "/form", b"x" * 100000), ("HEAD", "/", None), ("GET", "/chunked", None)):
    c.request(method, path, body)
    r = c.getresponse()
    print(r.status, r.version, r.getheader("X-Lab"), r.read())
c.request("GET", "/big")
r = c.getresponse()
data = r.read()
print(len(data), sum(data))
print(c.sock.getpeername() == (host, port), c.sock.getsockname()[1] > 0)
c.close()
