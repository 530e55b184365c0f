"""What a version control system does to its object store: 5,000 files at scale 1."""
import hashlib
import os
import sys

n = int(5000 * float(sys.argv[1]))
os.mkdir("objects")
names = []
for i in range(n):
    name = hashlib.sha1(b"%d" % i).hexdigest()
    d = "objects/" + name[:2]
    try:
        os.mkdir(d)
    except FileExistsError:
        pass
    fd = os.open(d + "/tmp_obj", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    os.write(fd, name.encode())
    os.close(fd)
    os.rename(d + "/tmp_obj", f"{d}/{name[2:]}")
    names.append(f"{d}/{name[2:]}")
found = sum(len(files) for _, _, files in os.walk("objects"))
print(found == n, all(os.path.exists(p) for p in names), os.path.exists(names[0] + "x"))
total = 0
for p in names[::3]:
    with open(p) as f:
        total += len(f.read())
print(total)
for p in names:
    os.rename(p, p + ".old")
for p in names:
    os.unlink(p + ".old")
for d in sorted(os.listdir("objects")):
    os.rmdir("objects/" + d)
print(os.listdir("objects"))
