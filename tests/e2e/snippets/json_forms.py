import datetime
import json
import os
import tempfile


class Encoder(json.JSONEncoder):
    def default(self, o):
        return o.isoformat() if isinstance(o, datetime.date) else super().default(o)


data = {"ü": [1, 2.5, None, True, "\u2028", "\U0001f600"], "date": datetime.date(2024, 2, 29), "nested": {"a": {"b": []}}}
print(json.dumps(data, cls=Encoder, indent=2, sort_keys=True))
print(json.dumps(data, cls=Encoder, ensure_ascii=False, separators=(",", ":")))
path = os.path.join(tempfile.mkdtemp(), "x.json")
with open(path, "w") as f:
    json.dump(list(range(1000)), f)
with open(path) as f:
    print(sum(json.load(f)), os.path.getsize(path))
try:
    json.loads('{"a": [1, 2,, 3]}')
except json.JSONDecodeError as e:
    print(e, e.pos)
print(json.loads("[1e400, -0.0, 12345678901234567890]"), json.loads('{"a": 1, "a": 2}', object_pairs_hook=list))
