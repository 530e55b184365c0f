import contextlib
import contextvars
import io
import sys
import threading

var = contextvars.ContextVar("var", default="unset")


def in_context():
    var.set("inside")
    return var.get()


print(contextvars.copy_context().run(in_context), var.get())
out = []
t = threading.Thread(target=lambda: out.append(var.get()))
t.start()
t.join()
print(out)


@contextlib.contextmanager
def step(name):
    print("enter", name)
    try:
        yield name
    finally:
        print("leave", name)


with contextlib.ExitStack() as stack:
    print([stack.enter_context(step(n)) for n in "ab"])
with contextlib.suppress(ZeroDivisionError), step("c"):
    1 / 0
buffer = io.StringIO()
with contextlib.redirect_stdout(buffer):
    print("captured")
print(buffer.getvalue().strip(), sys.stdout is sys.__stdout__)


def gen():
    got = yield 1
    print("got", got)
    yield from "xy"
    return 5


g = gen()
print(next(g), g.send("sent"), list(g))
