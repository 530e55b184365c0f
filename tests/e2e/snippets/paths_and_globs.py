import fnmatch
import glob
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

root = Path(tempfile.mkdtemp())
(root / "a" / "b").mkdir(parents=True)
(root / "a" / "one.txt").write_text("eins\nzwei\n", encoding="utf-8")
(root / "a" / "b" / "two.txt").write_bytes(b"\x00\x01")
print(sorted(p.relative_to(root).as_posix() for p in root.rglob("*")))
one = root / "a" / "one.txt"
print(one.read_text().splitlines(), one.is_symlink(), one.resolve().name)
print([os.path.basename(p) for p in sorted(glob.glob(f"{root}/**/*.txt", recursive=True))], fnmatch.filter(["a.py", "b"], "*.py"))
shutil.copytree(root / "a", root / "c")
shutil.move(root / "c", root / "d")
(root / "d" / "one.txt").rename(root / "d" / "1.txt")
(root / "d" / "b" / "two.txt").unlink()
for folder, dirs, files in sorted(os.walk(root)):
    print(os.path.relpath(folder, root), sorted(dirs), sorted(files))
with os.scandir(root) as entries:
    print(sorted((e.name, e.is_dir(), e.is_symlink()) for e in entries))
print(PurePosixPath("/a/../b.tar.gz").suffixes, Path("~").name, os.path.normpath("/a/../b"), Path("x").exists())
print((root / "a" / "one.txt").stat().st_size, os.access(root, os.W_OK), os.path.samefile(one, root / "a/../a/one.txt"))
shutil.rmtree(root)
