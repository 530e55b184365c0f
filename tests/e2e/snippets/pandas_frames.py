import io

import pandas as pd

df = pd.read_csv(io.StringIO("""date,shop,amount
2024-01-05,north,10.5
2024-01-20,south,20
2024-02-03,north,
2024-02-14,south,40.25
"""), parse_dates=["date"])
print(df.dtypes, df.isna().sum().to_dict(), sep="\n")
print(df.groupby("shop")["amount"].agg(["count", "sum", "mean"]))
print(df.set_index("date").resample("MS")["amount"].sum())
print(df.pivot_table(index="shop", columns=df["date"].dt.month, values="amount", aggfunc="sum", fill_value=0))
print(df.merge(pd.DataFrame({"shop": ["north"], "city": ["Oslo"]}), how="left")["city"].tolist())
print(df.fillna(0).sort_values("amount", ascending=False).to_json(orient="records", date_format="iso"))
print(df.describe().round(3).to_string())
