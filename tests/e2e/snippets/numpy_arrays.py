import numpy as np

a = np.arange(12, dtype=float).reshape(3, 4)
print(a.T @ a, a.mean(axis=0), a[a > 5], a.std().round(6))
print(np.linalg.det(np.array([[2.0, 1], [1, 3]])).round(9), np.linalg.solve([[3, 1], [1, 2]], [9, 8]))
big = np.ones((300, 300))
print((big @ big).sum(), np.linalg.eigvalsh(np.eye(50) * 2)[:3], np.fft.fft([1, 0, 0, 0]).real)
rng = np.random.default_rng(7)
print(rng.integers(0, 100, 5), np.random.RandomState(1).rand(2), np.sort(rng.permutation(5)))
print(np.percentile(range(101), [5, 95]), np.array(["b", "a"]).argsort(), np.datetime64("2024-02-29") + 1)
