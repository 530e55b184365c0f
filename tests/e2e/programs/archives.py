import hashlib
import io
import os
import sys
import tarfile
import zipfile

n = int(50 * float(sys.argv[1]))
os.mkdir("src")
for i in range(n):
    with open(f"src/{i}.bin", "wb") as f:
        f.write(hashlib.sha256(b"%d" % i).digest() * 100)
os.symlink("0.bin", "src/link")
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name in sorted(os.listdir("src")):
        z.write(os.path.join("src", name), name)
with zipfile.ZipFile("a.zip", "a") as z:
    z.writestr("more/deep", b"y" * 1000)
with zipfile.ZipFile("a.zip") as z:
    print(z.testzip(), len(z.namelist()), z.getinfo("more/deep").file_size)
    z.extractall("unzipped")
print(sorted(os.listdir("unzipped"))[:5], os.path.getsize("unzipped/more/deep"))
for mode in ("", ":gz", ":bz2", ":xz"):
    name = "t.tar" + mode.replace(":", ".")
    with tarfile.open(name, "w" + mode) as t:
        t.add("src")
        t.addfile(tarfile.TarInfo("empty"), io.BytesIO())
    with tarfile.open(name) as t:
        print(mode, len(t.getnames()), t.getmember("src/link").linkname)
        t.extractall("out" + mode.strip(":"))
    same = all(open(f"src/{i}.bin", "rb").read() == open(f"out{mode.strip(':')}/src/{i}.bin", "rb").read() for i in range(n))
    print(same, os.readlink(f"out{mode.strip(':')}/src/link"))
