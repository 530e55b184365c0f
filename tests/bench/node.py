"""Benchmarks of Node.js jobs: hello beside a bare warm fork of Node and `node -e`, and scripts that compute or make garbage beside plain Node.

Inside and outside take turns. The scripts measure themselves, so Node's start, which a job does not wait for, is not in their ratio.
"""
import os
import statistics
import subprocess
import time

import support
from node_jobs import NODE, why_not

HELLO = "console.log('hello')"
WARM = [NODE, "--single-threaded", "--v8-pool-size=0", "--no-memory-reducer", os.path.join(support.ROOT, "tests", "bench", "node", "warm.js"),
        os.path.join(support.BUILD, "bench", "warm.node")]
SCRIPT = os.path.join(support.ROOT, "tests", "bench", "node_jobs.js")
WORK = ("computing", "garbage")


def milliseconds(call):
    before = time.perf_counter_ns()
    got = call()
    return (time.perf_counter_ns() - before) / 1e6, got


def outside(*args):
    return subprocess.run([NODE, *args], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True).stdout


def inside(client, code, *args):
    r = client.run(code, language="nodejs", args=list(args), limits={"wall_ms": 60000, "cpu_ms": 60000})
    if r["outcome"] != "exited" or r["exit_code"] != 0:
        raise SystemExit(f"a measuring job failed: {r}")
    return r["stdout"]


def warm_forks(count, pause=0):
    out = subprocess.run([*WARM, str(count), str(pause * 1e3)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True).stdout
    return [int(ns) / 1e6 for ns in out.split()]


def paced(pause, call):
    time.sleep(pause)
    return milliseconds(call)[0]


def hello(client, rounds, count, pause):
    rows = {"warder": [], "bare warm fork": [], "node -e": []}
    for _ in range(rounds):
        rows["warder"].append([paced(pause, lambda: inside(client, HELLO)) for _ in range(count)])
        rows["bare warm fork"].append(warm_forks(count, pause))
        rows["node -e"].append([paced(pause, lambda: outside("-e", HELLO)) for _ in range(count // 10)])
    table = {}
    for name, each in rows.items():
        p50 = statistics.median(statistics.median(times) for times in each)
        p99 = statistics.median(sorted(times)[len(times) * 99 // 100] for times in each)
        ratio = statistics.median(statistics.median(t) / statistics.median(b) for t, b in zip(each, rows["bare warm fork"]))
        print(f"  {name:14}{p50:>10.2f}{p99:>10.2f}{ratio:>10.2f}")
        table[name] = {"p50_ms": p50, "p99_ms": p99, "ratio": ratio}
    return table


def work(client, what, rounds, code):
    times = []
    for _ in range(rounds):
        times.append([float(t) for out in (inside(client, code, what), outside(SCRIPT, what)) for t in out.split()])
    job, job_cpu, plain, plain_cpu = (statistics.median(column) for column in zip(*times))
    ratio, cpu_ratio = (statistics.median(t[i] / t[i + 2] for t in times) for i in (0, 1))
    print(f"  {what:14}{job:>10.0f}{plain:>10.0f}{ratio:>8.2f}{job_cpu:>10.0f}{plain_cpu:>10.0f}{cpu_ratio:>8.2f}")
    return {"job_ms": job, "node_ms": plain, "ratio": ratio, "job_cpu_ms": job_cpu, "node_cpu_ms": plain_cpu, "cpu_ratio": cpu_ratio}


def run(supervisor, rounds, quick):
    if why_not():
        print(f"\nNode.js: {why_not()}")
        return None
    with open(SCRIPT) as f:
        code = f.read()
    with supervisor.client(timeout=120) as client:
        for _ in range(20):
            inside(client, HELLO)
        table = {}
        for pause, told in ((0, "one after the other"), (0.02, "20 ms between jobs")):
            print(f"\nNode.js, client to result, {told}\n  {'hello':14}{'p50 ms':>10}{'p99 ms':>10}{'/ bare':>10}")
            table["hello paced" if pause else "hello"] = hello(client, rounds, 50 if quick else 100, pause)
        print(f"  {'script':14}{'job ms':>10}{'node ms':>10}{'ratio':>8}{'CPU: job':>10}{'node':>10}{'ratio':>8}")
        return {**table, **{what: work(client, what, rounds, code) for what in WORK}}
