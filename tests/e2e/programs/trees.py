"""shutil, glob, os.walk, pathlib over one tree."""
import glob
import os
import pathlib
import shutil
import stat
import sys

n = 4 + int(10 * float(sys.argv[1]))
root = pathlib.Path("tree")
for i in range(n):
    d = root / f"d{i % 4}" / f"e{i}"
    d.mkdir(parents=True)
    for k in range(5):
        (d / f"f{k}.{'txt' if k % 2 else 'dat'}").write_text(f"{i} {k}\n" * (k + 1))
    (d / "link").symlink_to("f1.txt")
    (d / "across").symlink_to("../../d0/e0/f0.dat")
    (d / "broken").symlink_to("nowhere")
os.chmod(root / "d0", 0o700)
os.utime(root / "d0/e0/f0.dat", (1, 2))


def show(top):
    for directory, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files):
            path = os.path.join(directory, name)
            st = os.lstat(path)
            kind = stat.filemode(st.st_mode)
            print(path, kind, st.st_size if stat.S_ISREG(st.st_mode) else "", os.readlink(path) if stat.S_ISLNK(st.st_mode) else "")


show("tree")
shutil.copytree("tree", "copy", symlinks=True)
show("copy/d0")
print(int(os.stat("copy/d0/e0/f0.dat").st_mtime))
shutil.copytree("tree/d1", "copy2", ignore=shutil.ignore_patterns("*.dat", "broken"), ignore_dangling_symlinks=True, symlinks=True)
show("copy2")
print(sorted(glob.glob("tree/**/*.txt", recursive=True)) == sorted(str(p) for p in root.rglob("*.txt")))
print(len(glob.glob("tree/*/e[0-9]/f?.d*")), len(list(root.glob("*/*"))))
shutil.move("copy", "moved")
print(os.path.exists("copy"), sum(1 for _ in pathlib.Path("moved").rglob("*")))
for name in ("tree", "moved", "copy2"):
    shutil.rmtree(name)
    print(name, os.path.lexists(name))
p = pathlib.Path("p/q/r.tar.gz")
p.parent.mkdir(parents=True)
p.write_bytes(b"x" * 10)
print(p.resolve().name, p.suffixes, p.stat().st_size, p.is_file(), p.parent.is_dir())
hard = p.with_name("hard")
os.link(p, hard)
print(p.stat().st_nlink, p.samefile(hard))
p.rename(p.with_name("s"))
print(sorted(x.name for x in p.parent.iterdir()), p.with_name("s").replace(hard).name, hard.stat().st_nlink)
soft = p.parent / "soft"
soft.symlink_to(hard.name)
print(soft.is_symlink(), soft.resolve() == hard.resolve(), soft.read_bytes())
hard.touch()
hard.chmod(0o600)
print(stat.filemode(hard.stat().st_mode))
print(sorted(x.name for x in p.parent.iterdir()))  # one file by two names: replacing it changed nothing
for x in p.parent.iterdir():
    x.unlink()
p.parent.rmdir()
try:
    p.parent.rmdir()
except OSError as e:
    print(type(e).__name__)
