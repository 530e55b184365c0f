import sqlite3
import sys

n = int(200 * float(sys.argv[1]))


def one(mode):
    path = f"bank-{mode}.db"
    a, b = (sqlite3.connect(path, timeout=0.2, isolation_level=None) for _ in range(2))
    print(mode, a.execute(f"PRAGMA journal_mode={mode}").fetchone()[0])
    a.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER)")
    a.execute("BEGIN")
    a.executemany("INSERT INTO account VALUES (?, 100)", [(i,) for i in range(n)])
    print("while it is open", b.execute("SELECT COUNT(*) FROM account").fetchone())
    try:
        b.execute("INSERT INTO account VALUES (-1, 0)")
    except sqlite3.OperationalError as e:
        print("second writer:", e)
    a.execute("COMMIT")
    print("after", b.execute("SELECT COUNT(*), SUM(money) FROM account").fetchone())
    for i in range(20):
        c = (a, b)[i % 2]
        c.execute("BEGIN IMMEDIATE")
        c.execute("UPDATE account SET money = money - 1 WHERE id = ?", (i,))
        c.execute("UPDATE account SET money = money + 1 WHERE id = ?", (i + 1,))
        c.execute("ROLLBACK" if i % 5 == 4 else "COMMIT")
    print(a.execute("SELECT id, money FROM account WHERE money != 100 ORDER BY id").fetchall())
    print(b.execute("SELECT SUM(money) FROM account").fetchone(), b.execute("PRAGMA integrity_check").fetchone())
    b.execute("VACUUM")
    a.close()
    b.close()
    print(sqlite3.connect(path).execute("SELECT COUNT(*) FROM account").fetchone())


for mode in ("delete", "truncate", "persist", "memory", "wal"):
    one(mode)
