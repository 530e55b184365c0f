import bz2
import gzip
import lzma
import os
import tempfile
import zlib

data = b"the same words again and again " * 2000
print(len(zlib.compress(data, 9)), zlib.decompress(zlib.compress(data)) == data)
d = tempfile.mkdtemp()
for module, name in ((gzip, "a.gz"), (bz2, "a.bz2"), (lzma, "a.xz")):
    path = os.path.join(d, name)
    with module.open(path, "wb") as f:
        f.write(data)
    with module.open(path, "rb") as f:
        print(name, f.read() == data, os.path.getsize(path) < 1000)
with gzip.open(os.path.join(d, "t.gz"), "wt", encoding="utf-8") as f:
    f.write("line\n" * 3)
print(gzip.open(os.path.join(d, "t.gz"), "rt").readlines())
