import os
import sys
import tempfile

n = int(20 * float(sys.argv[1]))
for i in range(n):
    with tempfile.TemporaryFile() as f:
        f.write(b"a" * 5000)
        f.seek(0)
        assert len(f.read()) == 5000 and os.fstat(f.fileno()).st_nlink == 0
    with tempfile.NamedTemporaryFile("w+", suffix=".x", prefix="p") as f:
        f.write("b")
        f.flush()
        assert os.path.getsize(f.name) == 1 and os.stat(f.name).st_mode & 0o777 == 0o600
    assert not os.path.exists(f.name)
    with tempfile.SpooledTemporaryFile(max_size=100) as f:
        f.write(b"c" * 200)
        f.seek(0)
        assert f.read() == b"c" * 200
    with tempfile.TemporaryDirectory() as d:
        assert os.stat(d).st_mode & 0o777 == 0o700
        open(os.path.join(d, "x"), "w").close()
        os.mkdir(os.path.join(d, "y"))
    assert not os.path.exists(d)
fd, path = tempfile.mkstemp(dir=".")
os.write(fd, b"kept")
os.close(fd)
print(os.path.getsize(path), os.path.dirname(os.path.abspath(path)) == os.getcwd())
os.unlink(path)
d = tempfile.mkdtemp()
os.rmdir(d)
print(os.path.basename(tempfile.mktemp()).startswith("tmp"), os.path.isdir(tempfile.gettempdir()))
