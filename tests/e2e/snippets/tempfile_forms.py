import os
import tempfile

with tempfile.TemporaryFile() as f:
    f.write(b"bytes")
    f.seek(0)
    print(f.read())
with tempfile.TemporaryFile("w+") as f:
    f.write("text")
    f.seek(0)
    print(f.read())
with tempfile.NamedTemporaryFile(suffix=".txt", delete=False) as f:
    f.write(b"kept")
print(open(f.name).read(), f.name.endswith(".txt"))
os.unlink(f.name)
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "a", "b")
    os.makedirs(path)
    open(os.path.join(path, "c"), "w").close()
    print(os.listdir(d), os.path.isdir(path))
print(os.path.exists(d))
with tempfile.SpooledTemporaryFile(max_size=10) as f:
    f.write(b"x" * 100)
    f.seek(0)
    print(len(f.read()))
fd, name = tempfile.mkstemp()
os.write(fd, b"low level")
os.close(fd)
print(os.path.getsize(name), oct(os.stat(name).st_mode))
os.remove(name)
d = tempfile.mkdtemp(prefix="mine-")
print(os.path.basename(d).startswith("mine-"), oct(os.stat(d).st_mode))
os.rmdir(d)
