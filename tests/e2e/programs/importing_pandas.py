import sys

before = len(sys.modules)
import pandas  # noqa: E402

print(len(sys.modules) > before, pandas.__name__)
