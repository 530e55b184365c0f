import errno
import os
import shutil
import stat
import tempfile

root = tempfile.mkdtemp()
os.chdir(root)


def attempt(what, *args, **more):
    try:
        return what(*args, **more)
    except OSError as e:
        return errno.errorcode[e.errno]


with open("one", "w") as f:
    f.write("eins")
os.mkdir("dir")
os.symlink("../one", "dir/up")
os.symlink("dir", "short")
os.symlink("nothing", "dangling")
os.symlink("loop", "loop")
os.link("one", "dir/hard")
print(os.readlink("dir/up"), open("short/up").read(), os.stat("dir/hard").st_nlink, os.path.samefile("one", "short/hard"))
print([attempt(open, n) for n in ("dangling", "loop", "one/x")], os.path.islink("loop"), os.path.realpath("short/up") == os.path.realpath("one"))
with open("dangling", "w") as f:
    f.write("made through the link")
print(sorted(os.listdir()), open("nothing").read())
print(attempt(os.link, "dir", "other"), attempt(os.symlink, "x", "one"), attempt(os.link, "one", "dir/hard"), attempt(os.unlink, "short/"))

os.utime("one", (1000, 2000))
os.chmod("one", 0o640)
shutil.copytree(".", "../copy-of-tree", symlinks=True, dirs_exist_ok=True)
os.chdir("../copy-of-tree")
print(os.readlink("short"), stat.filemode(os.stat("one").st_mode), os.stat("one").st_mtime)
shutil.copy2("one", "two", follow_symlinks=False)
shutil.copystat("one", "dir")
shutil.copyfile("short", "link-copy", follow_symlinks=False)
print(os.readlink("link-copy"), stat.filemode(os.stat("dir").st_mode), os.listxattr("one"), attempt(os.getxattr, "one", "user.none"))
os.chmod("dir", 0o755)

os.chown("one", os.getuid(), os.getgid())
os.lchown("short", -1, -1)
shutil.chown("two", os.getuid())
os.mknod("node", 0o644)
os.truncate("node", 10)
os.replace("two", "dir/two")
os.rename("short", "shorter")
os.unlink("shorter")
print(sorted(os.listdir("dir")), os.stat("node").st_size, attempt(os.rename, "dir", "dir/in"), attempt(os.rmdir, "dir"))

fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"named later")
print(os.fstat(fd).st_nlink)
where = os.getcwd()
os.mkdir("deep")
os.chdir("deep")
os.rename("../deep", "../moved")
print(os.getcwd() == where + "/moved", os.listdir("."))
os.rmdir("../moved")
print(attempt(os.getcwd), attempt(open, "x", "w"), attempt(os.listdir, "."))
os.chdir("/tmp" if where.startswith("/tmp") else where)
usage = shutil.disk_usage(where)
print(usage.total >= usage.free > 0, os.statvfs(where).f_namemax, os.access(where, os.W_OK))
shutil.rmtree(root)
shutil.rmtree(where)
print(os.path.exists(root), os.path.exists(where))
