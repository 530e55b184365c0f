import csv
import io
import os
import tempfile

rows = [{"name": "Ada", "city": "London, UK", "n": 1}, {"name": 'Bo "B"', "city": "Oslo\nNorway", "n": 2}]
path = os.path.join(tempfile.mkdtemp(), "t.csv")
with open(path, "w", newline="", encoding="utf-8") as f:
    w = csv.DictWriter(f, ["name", "city", "n"], quoting=csv.QUOTE_MINIMAL)
    w.writeheader()
    w.writerows(rows)
print(open(path, newline="").read())
with open(path, newline="") as f:
    print(list(csv.DictReader(f)))
print(csv.Sniffer().sniff("a;b;c\n1;2;3\n").delimiter, list(csv.reader(io.StringIO("x\ty\n"), "excel-tab")))
