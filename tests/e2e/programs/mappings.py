import mmap
import os
import sys

size = int(65536 * float(sys.argv[1])) // 4096 * 4096
with open("m", "wb+") as f:
    f.truncate(size)
    with mmap.mmap(f.fileno(), 0) as m, open("m", "rb") as other, mmap.mmap(other.fileno(), 0, access=mmap.ACCESS_READ) as seen:
        for at in range(0, size, 4096):
            m[at:at + 4] = b"page"
        m.flush()
        print(other.read(4), seen.find(b"page", 5), seen[size - 4096:size - 4092])
        f.seek(8)
        f.write(b"by write")
        f.flush()
        print(m[8:16], seen[8:16])
    with mmap.mmap(f.fileno(), size, access=mmap.ACCESS_COPY) as m:
        m[0:4] = b"gone"
    f.seek(0)
    print(f.read(4))
    with mmap.mmap(f.fileno(), size) as m:
        m.resize(2 * size)
        print(len(m), os.path.getsize("m") == 2 * size)
with open("m", "rb") as f:
    try:
        mmap.mmap(f.fileno(), 0)
    except OSError as e:
        print(type(e).__name__)
os.truncate("m", 100)
print(os.path.getsize("m"))
