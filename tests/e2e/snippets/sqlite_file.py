import os
import sqlite3
import tempfile

path = os.path.join(tempfile.mkdtemp(), "data.db")
a = sqlite3.connect(path, timeout=0.1)
b = sqlite3.connect(path, timeout=0.1)
with a:
    a.execute("create table t (x)")
    a.executemany("insert into t values (?)", [(i,) for i in range(100)])
print(b.execute("select count(*), sum(x) from t").fetchone())
a.execute("begin immediate")
a.execute("insert into t values (1000)")
try:
    b.execute("insert into t values (2000)")
except sqlite3.OperationalError as e:
    print(e)
print(b.execute("select max(x) from t").fetchone())
a.rollback()
with b:
    b.execute("insert into t values (2000)")
print(a.execute("select max(x) from t").fetchone())
print(a.execute("pragma journal_mode=truncate").fetchone())
b.execute("vacuum")
a.close()
b.close()
print(os.path.getsize(path) % 4096, sorted(os.listdir(os.path.dirname(path))))
