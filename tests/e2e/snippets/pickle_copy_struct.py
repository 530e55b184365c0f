import array
import copy
import marshal
import pickle
import shelve
import struct
import tempfile

data = {"a": [1, (2, 3)], "b": {4, 5}, "c": b"x", "d": None}
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    assert pickle.loads(pickle.dumps(data, protocol)) == data
deep = copy.deepcopy(data)
deep["a"].append(1)
print(len(data["a"]), len(deep["a"]), marshal.loads(marshal.dumps([1, "x"])))
print(struct.pack("<IHb", 1, 2, -3), struct.unpack(">d", struct.pack(">d", 2.5)), struct.calcsize("@lq"))
print(array.array("i", [1, 2, 3]).tobytes().hex())
with shelve.open(tempfile.mkdtemp() + "/shelf") as s:
    s["key"] = data["a"]
    print(s["key"], list(s))
