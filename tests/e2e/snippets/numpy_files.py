import io
import os
import tempfile

import numpy as np

d = tempfile.mkdtemp()
a = np.arange(1000).reshape(10, 100)
np.save(f"{d}/a.npy", a)
np.savez_compressed(f"{d}/z.npz", a=a, b=a * 2)
print((np.load(f"{d}/a.npy") == a).all(), sorted(np.load(f"{d}/z.npz").files), np.load(f"{d}/z.npz")["b"].sum())
m = np.memmap(f"{d}/m", dtype="int32", mode="w+", shape=(100,))
m[:] = range(100)
m.flush()
print(np.memmap(f"{d}/m", dtype="int32", mode="r").sum(), os.path.getsize(f"{d}/m"))
np.savetxt(f"{d}/t.txt", a[:2, :3], fmt="%d", delimiter=",")
print(open(f"{d}/t.txt").read(), np.loadtxt(io.StringIO("1 2\n3 4")), np.genfromtxt(io.StringIO("1,,3"), delimiter=","))
