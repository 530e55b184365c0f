import os
import sys

import pandas as pd

n = int(2000 * float(sys.argv[1]))
df = pd.DataFrame({"i": range(n), "x": [k / 7 for k in range(n)], "s": [f"row {k}" for k in range(n)],
                   "t": pd.date_range("2024-01-01", periods=n, freq="h")})
df.to_csv("a.csv", index=False)
df.to_csv("a.csv.gz", index=False)
back = pd.read_csv("a.csv", parse_dates=["t"])
print(back.equals(pd.read_csv("a.csv.gz", parse_dates=["t"])), back.shape, os.path.getsize("a.csv"))
print(back.groupby(back["i"] % 3)["x"].sum().round(6).to_dict())
print(sum(len(c) for c in pd.read_csv("a.csv", chunksize=100)))
df.to_json("a.json", orient="records", lines=True)
print(pd.read_json("a.json", lines=True).shape)
df.to_pickle("a.pkl")
print(pd.read_pickle("a.pkl").equals(df))
