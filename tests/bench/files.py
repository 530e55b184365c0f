"""Benchmarks of files: calls under many grants, programs that live on files, an import.

Inside and outside, few and many take turns within each round; nothing is asserted.
"""
import os
import shutil
import statistics
import subprocess
import tempfile
import time

import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")
MANY = 10000
OWN = 1024  # JOB_GRANTS_MAX
ROOM = {"wall_ms": 60000, "tmp_mib": 256, "tmp_inodes": 65536}

# µs a call, the median of each: on one file, and on all in turn; two rounds, so that the first opens what can be held
CALLS = """
import os, sys, time
folder, one = sys.argv[1:]
names = [folder + "/" + n for n in sorted(os.listdir(folder))]
def cost(names):
    t = []
    for name in names:
        start = time.perf_counter_ns()
        os.stat(name)
        t.append(time.perf_counter_ns() - start)
    return sorted(t)[len(t) // 2] / 1000
def opened(names):
    t = []
    for name in names:
        start = time.perf_counter_ns()
        os.close(os.open(name, os.O_RDONLY))
        t.append(time.perf_counter_ns() - start)
    return sorted(t)[len(t) // 2] / 1000
one = [folder + "/" + one] * 2000
some = (names * 2000)[:max(2000, len(names))]
cost(one), cost(some)
print(cost(one), opened(one), cost(some), opened(some))
"""


def median(values):
    return statistics.median(values)


class Grants:
    """A supervisor with a policy of ten grants and one of ten thousand."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="warder-bench-", dir="/var/tmp")
        os.chmod(self.root, 0o755)
        for name, n in [("few", 10), ("many", MANY), ("own", OWN)]:
            os.mkdir(os.path.join(self.root, name))
            os.chmod(os.path.join(self.root, name), 0o755)
            for i in range(n):
                with open(self.file(name, i), "w") as f:
                    f.write("x")
        policies = os.path.join(self.root, "policies")
        os.mkdir(policies)
        for name in os.listdir(support.POLICIES):
            if name.endswith(".yaml"):
                shutil.copy(os.path.join(support.POLICIES, name), policies)
        for name, n in [("few", 10), ("many", MANY)]:
            with open(os.path.join(policies, name + ".yaml"), "w") as f:
                f.write(f"name: {name}\nextends: python3\nlanguage: python3\nfiles:\n")
                f.writelines(f"- {{path: {self.file(name, i)}, rights: [read]}}\n" for i in range(n))
        self.supervisor = support.Supervisor("--policy-dir", policies)

    def file(self, folder, i):
        return os.path.join(self.root, folder, f"f{i:05}")

    def measure(self, policy, folder, own=0):
        grants = {"read": [self.file("own", i) for i in range(own)]} if own else {}
        last = os.path.basename(self.file("", {"few": 7, "many": MANY - 3, "own": own - 3}[folder]))
        r = self.supervisor.run(CALLS, policy=policy, args=[os.path.join(self.root, folder), last], grants=grants, limits=ROOM)
        if r["outcome"] != "exited" or r["exit_code"] != 0:
            raise SystemExit(f"a measuring job failed: {r['error']} {r['stderr'].decode()[-500:]}")
        return [float(x) for x in r["stdout"].split()]

    def close(self):
        self.supervisor.stop()
        shutil.rmtree(self.root)


def grants(rounds):
    bench = Grants()
    rows = {"10 of the policy": ("few", "few", 0), f"{MANY} of the policy": ("many", "many", 0), "10 of the job": ("few", "own", 10),
            f"{OWN} of the job": ("few", "own", OWN)}
    got = {name: [] for name in rows}
    try:
        for row in rows.values():  # zygotes, skeletons
            bench.measure(*row)
        for _ in range(rounds * 3):
            for name, row in rows.items():
                got[name].append(bench.measure(*row))
    finally:
        bench.close()
    print(f"\ncalls under many grants, µs ({rounds * 3} rounds in turns; / 10: against the row of ten, median of the rounds' ratios)")
    print(f"  {'grants':24}" + "".join(f"{h:>12}{'/ 10':>7}" for h in ("stat one", "open one", "stat all", "open all")))
    for name, each in got.items():
        few = got["10 of the policy" if "policy" in name else "10 of the job"]
        cells = [(median(e[i] for e in each), median(e[i] / f[i] for e, f in zip(each, few))) for i in range(4)]
        print(f"  {name:24}" + "".join(f"{us:>12.2f}{ratio:>7.2f}" for us, ratio in cells))
    return {name: [median(e[i] for e in each) for i in range(4)] for name, each in got.items()}


def outside(path, scale):
    """The program's own time, without the interpreter's start: that is not what is compared here."""
    code = TIMED.format(path=path)
    with tempfile.TemporaryDirectory(prefix="warder-outside-") as folder:
        out = subprocess.run([support.PYTHON, "-c", code, scale], cwd=folder, stdout=subprocess.PIPE, check=True).stdout
    return float(out.split()[-1])


# stdout is the program's own; the last word is the time it took, in ms
TIMED = """
import time
start = time.perf_counter()
exec(compile(open({path!r}).read(), "program", "exec"), {{"__name__": "__main__"}})
print((time.perf_counter() - start) * 1000)
"""


def inside(supervisor, path, scale, folder=None):
    grants = {"read": [path]}
    head = ""
    if folder:
        grants["write"] = [folder]
        head = f"import os; os.chdir({folder!r})\n"
    r = supervisor.run(head + TIMED.format(path=path), args=[scale], limits=ROOM, grants=grants)
    if r["outcome"] != "exited" or r["exit_code"] != 0:
        raise SystemExit(f"{path} failed: {r['error']} {r['stderr'].decode()[-500:]}")
    return float(r["stdout"].split()[-1]), r["usage"]["brokered_calls"]


def programs(rounds, quick):
    supervisor = support.Supervisor()
    names = sorted(n[:-3] for n in os.listdir(PROGRAMS) if n.endswith(".py"))
    host = tempfile.mkdtemp(prefix="warder-bench-", dir="/var/tmp")
    table = {}
    try:
        os.chmod(host, 0o755)
        shutil.copytree(PROGRAMS, os.path.join(host, "programs"))
        print(f"\nprograms that live on files, ms ({rounds} rounds in turns; not counting the interpreter's start)")
        print(f"  {'':24}{'outside':>9}{'in /tmp':>9}{'ratio':>7}{'granted':>9}{'ratio':>7}{'calls':>8}{'µs each':>9}")
        for name in names:
            path, out, tmp, granted = os.path.join(host, "programs", name + ".py"), [], [], []
            scale = "0.2" if quick and name == "many_small_files" else "1"
            for i in range(rounds):
                folder = os.path.join(host, f"{name}{i}")
                os.mkdir(folder)
                os.chmod(folder, 0o777)
                out.append(outside(path, scale))
                took, calls = inside(supervisor, path, scale)
                tmp.append(took)
                granted.append(inside(supervisor, path, scale, folder)[0])
            ratios = [median(t / o for t, o in zip(ours, out)) for ours in (tmp, granted)]
            each = (median(tmp) - median(out)) / calls * 1000
            print(f"  {name:24}{median(out):>9.1f}{median(tmp):>9.1f}{ratios[0]:>7.2f}{median(granted):>9.1f}{ratios[1]:>7.2f}"
                  f"{calls:>8}{each:>9.1f}")
            table[name] = {"outside_ms": median(out), "tmp_ms": median(tmp), "granted_ms": median(granted), "calls": calls}
    finally:
        supervisor.stop()
        shutil.rmtree(host)
    return table


def run(rounds, quick):
    return {"grants": grants(rounds), "programs": programs(rounds, quick)}


if __name__ == "__main__":
    began = time.monotonic()
    run(3, True)
    print(f"\n{time.monotonic() - began:.0f} s")
