import io
import os
import shutil
import tarfile
import tempfile
import zipfile

d = tempfile.mkdtemp()
os.makedirs(f"{d}/in/sub")
for i in range(3):
    with open(f"{d}/in/sub/{i}.txt", "w") as f:
        f.write(f"file {i}\n" * 10)
with zipfile.ZipFile(f"{d}/a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for i in range(3):
        z.write(f"{d}/in/sub/{i}.txt", f"{i}.txt")
    z.writestr("note", "hello")
with zipfile.ZipFile(f"{d}/a.zip") as z:
    print(sorted(z.namelist()), z.read("note"), z.testzip())
    z.extractall(f"{d}/out")
print(sorted(os.listdir(f"{d}/out")))
with tarfile.open(f"{d}/a.tar.gz", "w:gz") as t:
    t.add(f"{d}/in", "in")
    info = tarfile.TarInfo("made")
    info.size = 3
    t.addfile(info, io.BytesIO(b"abc"))
with tarfile.open(f"{d}/a.tar.gz") as t:
    print(sorted(t.getnames()))
    t.extractall(f"{d}/tar")
print(open(f"{d}/tar/in/sub/2.txt").readline(), open(f"{d}/tar/made").read())
print(os.path.basename(shutil.make_archive(f"{d}/made", "zip", f"{d}/in")))
shutil.rmtree(d)
print(os.path.exists(d))
