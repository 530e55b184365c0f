import functools
import itertools
import operator
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque

print(Counter("abracadabra").most_common(2), deque(range(10), maxlen=3), ChainMap({"a": 1}, {"b": 2})["b"])
groups = defaultdict(list)
for w in "apple avocado banana blueberry cherry".split():
    groups[w[0]].append(w)
print(dict(groups), OrderedDict(b=1, a=2).popitem(last=False))
print(list(itertools.combinations("abc", 2)), list(itertools.accumulate([1, 2, 3, 4], operator.mul)))
print([(k, len(list(g))) for k, g in itertools.groupby("aaabbc")], list(itertools.islice(itertools.cycle("ab"), 5)))
print(list(itertools.product([0, 1], repeat=2)), list(itertools.pairwise("abcd")), list(itertools.zip_longest("ab", "c")))


@functools.lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


print(fib(90), fib.cache_info(), functools.reduce(operator.or_, [1, 2, 4]), functools.partial(int, base=2)("101"))
