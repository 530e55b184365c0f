import re

text = "Order #1042 from ada@example.com on 2024-02-29, total 1.234,50 EUR; order #7 from bo@example.org"
print(re.findall(r"#(\d+)", text), re.search(r"(?P<user>\w+)@(?P<host>[\w.]+)", text).groupdict())
print(re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", text)[:60], re.split(r"[;,]\s*", text)[-1])
print([m.span() for m in re.finditer(r"(?i)ORDER", text)], re.fullmatch(r"\w+", "käse", re.ASCII))
print(re.compile(r"""
    (\d+)      # whole
    \.         # point
    (\d{3})    # thousands
""", re.X).search(text).groups())
try:
    re.compile("(")
except re.error as e:
    print(e)
