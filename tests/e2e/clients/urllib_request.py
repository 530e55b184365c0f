import sys
import urllib.error
import urllib.parse
import urllib.request

host, port = sys.argv[1], int(sys.argv[2])
base = f"http://{host}:{port}"
with urllib.request.urlopen(base + "/redirect", timeout=10) as r:
    print(r.status, r.read(), r.geturl() == base + "/here")
data = urllib.parse.urlencode({"a": "ü", "b": 2}).encode()
print(urllib.request.urlopen(urllib.request.Request(base + "/p", data, {"X-A": "b"}, method="PUT")).read())
try:
    urllib.request.urlopen(base + "/status/503")
except urllib.error.HTTPError as e:
    print(e.code, e.reason, e.read())
try:
    urllib.request.urlopen(base + "/slow", timeout=0.3)
except OSError as e:
    print(type(e).__name__, e)
