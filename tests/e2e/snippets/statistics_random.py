import random
import statistics

r = random.Random(42)
data = [r.gauss(100, 15) for _ in range(1000)]
print(round(statistics.mean(data), 6), round(statistics.stdev(data), 6), round(statistics.median(data), 6))
print(statistics.mode("aabbb"), statistics.quantiles(range(100), n=4), statistics.linear_regression([1, 2, 3], [2, 4, 6]))
random.seed("seed")
print(random.random(), random.randint(1, 6), random.sample(range(100), 5), random.choices("abc", k=5))
items = list(range(10))
random.shuffle(items)
print(items, round(random.betavariate(2, 3), 9))
