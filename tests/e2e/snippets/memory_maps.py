import io
import mmap
import os
import tempfile

path = os.path.join(tempfile.mkdtemp(), "m")
with open(path, "w+b") as f:
    f.truncate(8192)
    with mmap.mmap(f.fileno(), 0) as m:
        m[0:5] = b"hello"
        m[8191] = 255
        m.flush()
        print(m.find(b"lo"), len(m), m[:5])
with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
    print(m[:5], m[-1], m.size())
anon = mmap.mmap(-1, 1 << 20)
anon.write(b"anonymous")
anon.seek(0)
print(anon.read(9), anon.readline()[:1])
view = memoryview(bytearray(b"abcdef"))
view[2:4] = b"XY"
print(bytes(view), view[::2].tolist(), io.BytesIO(b"a\nb").readlines())
with open(path, "r+b", buffering=0) as f:
    f.seek(5)
    f.write(b"!")
    os.fsync(f.fileno())
    print(os.pread(f.fileno(), 6, 0), os.lseek(f.fileno(), 0, os.SEEK_END), os.fstat(f.fileno()).st_size)
