import signal
import threading
import time


class Timeout(Exception):
    pass


def on_alarm(signum, frame):
    raise Timeout(signal.Signals(signum).name)


signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    while True:
        time.sleep(10)
except Timeout as e:
    print("timed out by", e)
signal.alarm(0)
count = 0


def tick(signum, frame):
    global count
    count += 1


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
end = time.monotonic() + 10
while count < 5 and time.monotonic() < end:
    pass
signal.setitimer(signal.ITIMER_REAL, 0)
print(count >= 5, threading.current_thread() is threading.main_thread(), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
signal.raise_signal(signal.SIGALRM)
print(signal.strsignal(9), signal.sigpending())
