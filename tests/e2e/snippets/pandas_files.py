import os
import tempfile

import pandas as pd

d = tempfile.mkdtemp()
df = pd.DataFrame({"k": list("abc"), "v": [1.0, 2.5, None], "t": pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin")})
df.to_csv(f"{d}/x.csv", index=False)
df.to_pickle(f"{d}/x.pkl")
df.to_json(f"{d}/x.json")
print(open(f"{d}/x.csv").read(), pd.read_pickle(f"{d}/x.pkl").equals(df), pd.read_json(f"{d}/x.json").shape)
print(df.to_html(index=False)[:60], df["k"].str.upper().tolist(), df["v"].rolling(2).mean().tolist(), sorted(os.listdir(d)))
s = pd.Series(range(10), index=pd.date_range("2024-03-30", periods=10, freq="6h", tz="Europe/Berlin"))
print(s.resample("D").sum(), pd.cut([1, 5, 9], 3, labels=["low", "mid", "high"]).tolist(), pd.Categorical(["b", "a"]).codes)
