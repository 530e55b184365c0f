import asyncio
import http.client
import socket
import ssl
import sys
import urllib.request

import requests

host, port, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
with socket.create_connection((host, port), timeout=10) as plain, context.wrap_socket(plain, server_hostname=host) as s:
    print(s.version(), dict(x[0] for x in s.getpeercert()["issuer"]))
    s.sendall(b"GET /raw HTTP/1.0\r\n\r\n")
    data = b""
    while more := s.recv(4096):
        data += more
    print(data.splitlines()[0], data.splitlines()[-1])
c = http.client.HTTPSConnection(host, port, context=context, timeout=10)
c.request("POST", "/c", b"z" * 200000)
print(c.getresponse().read())
print(urllib.request.urlopen(f"https://{host}:{port}/u", context=context).read())
print(requests.get(f"https://{host}:{port}/r", verify=ca).text)
try:
    urllib.request.urlopen(f"https://{host}:{port}/untrusted")
except OSError as e:
    print(type(e.reason).__name__, e.reason.verify_message)


async def main():
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(b"GET /async HTTP/1.0\r\n\r\n")
    print((await reader.read()).splitlines()[-1])
    writer.close()


asyncio.run(main())
