import errno
import fcntl
import os
import stat
import tempfile

d = tempfile.mkdtemp()
os.chdir(d)
fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
os.write(fd, b"0123456789")
os.ftruncate(fd, 4)
os.lseek(fd, 0, 0)
print(os.read(fd, 100), stat.filemode(os.fstat(fd).st_mode))
try:
    os.open("f", os.O_CREAT | os.O_EXCL)
except FileExistsError as e:
    print(errno.errorcode[e.errno], e.filename)
fcntl.flock(fd, fcntl.LOCK_EX)
fcntl.lockf(fd, fcntl.LOCK_EX)
os.chmod("f", 0o600)
os.utime("f", (1000, 2000))
print(stat.filemode(os.stat("f").st_mode), os.stat("f").st_mtime, fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_RDWR)
fd2 = os.dup(fd)
os.close(fd)
print(os.pread(fd2, 2, 1), os.get_inheritable(fd2))
os.mkdir("sub", 0o700)
os.rename("f", "sub/g")
os.replace("sub/g", "h")
os.rmdir("sub")
print(os.listdir(), os.path.getsize("h"), os.getcwd() == d)
for call in (lambda: os.stat("no"), lambda: os.rmdir("no"), lambda: os.listdir("h"), lambda: open(d)):
    try:
        call()
    except OSError as e:
        print(type(e).__name__, errno.errorcode[e.errno])
with open("h", "a+") as f:
    f.write("more")
    f.seek(0)
    print(f.read(), f.tell(), f.fileno() > 2)
with open("lines", "w+", buffering=1) as f:
    f.writelines(f"{i}\n" for i in range(5))
    f.seek(0)
    print([int(line) for line in f])
