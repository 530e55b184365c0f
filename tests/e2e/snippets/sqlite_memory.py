import sqlite3

db = sqlite3.connect(":memory:")
db.row_factory = sqlite3.Row
db.execute("create table item (id integer primary key, name text, price real)")
db.executemany("insert into item (name, price) values (?, ?)", [("pen", 1.5), ("book", 12.0), ("bag", 40.25)])
db.create_function("shout", 1, str.upper)
for row in db.execute("select shout(name) as n, price from item where price > ? order by price desc", (2,)):
    print(row["n"], row["price"])
print(db.execute("select count(*), sum(price), json_extract('{\"a\": 7}', '$.a') from item").fetchone()[:])
try:
    db.execute("select * from nothing")
except sqlite3.OperationalError as e:
    print(e)
