import sys

import requests

host, port = sys.argv[1], int(sys.argv[2])
base = f"http://{host}:{port}"
with requests.Session() as s:
    for i in range(3):
        r = s.get(base + f"/{i}", params={"q": "a b"})
        print(r.status_code, r.text, r.headers["X-Lab"])
    print(s.post(base + "/json", json={"a": [1, 2, 3]}).text)
    print(s.get(base + "/redirect").url == base + "/here", s.head(base + "/x").headers["X-Lab"])
    r = s.get(base + "/big", stream=True)
    print(sum(len(piece) for piece in r.iter_content(10000)))
    print(s.get(base + "/chunked").text, s.delete(base + "/d").text)
    try:
        s.get(base + "/status/404").raise_for_status()
    except requests.HTTPError as e:
        print(type(e).__name__, e.response.status_code)
    try:
        s.get(base + "/slow", timeout=0.3)
    except requests.Timeout as e:
        print(type(e).__name__)
