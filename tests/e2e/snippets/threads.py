import threading

total = 0
lock = threading.Lock()
barrier = threading.Barrier(4)
seen = threading.local()


def work(n):
    global total
    barrier.wait()
    seen.n = n
    for i in range(1000):
        with lock:
            total += i * seen.n


threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
event = threading.Event()
timer = threading.Timer(0.01, event.set)
timer.start()
print(total, event.wait(10), threading.active_count() <= 2)
