"""Random calls with random arguments inside jobs: the supervisor and the jobs beside live on, nothing is left, and each death is explained."""
import concurrent.futures
import json
import os
import random
import re
import signal
import time
import unittest

import lab
from support import POLICIES, eventually

SECONDS = float(os.environ.get("WARDER_FUZZ_SECONDS") or (30 if lab.LONG else 4))
SEED = int(os.environ.get("WARDER_FUZZ_SEED") or random.randrange(1 << 32))
MS = 300       # of one job
AT_ONCE = 4
# end or block the caller by their nature, or stop what keeps it going
LEFT_OUT = {"exit", "exit_group", "pause", "rt_sigreturn", "rt_sigsuspend", "restart_syscall", "setitimer", "alarm",
            "arch_prctl", "personality"}  # nearly all of whose arguments kill
PYTHON = "print(so('fuzz').random_calls(WHAT.encode()), 'calls')"
NODE = "process.dlopen({exports: {}}, %s)"


def known():
    """Every call that the shipped policies name, whatever they say of it: most of these come back."""
    with open(os.path.join(POLICIES, "base.yaml")) as f:
        words = set(re.findall(r"[a-z_0-9]+", re.sub(r"(#|why:).*", "", f.read())))
    numbers = {w: lab._seccomp.seccomp_syscall_resolve_name(w.encode()) for w in words - LEFT_OUT}
    return sorted(n for n in numbers.values() if n >= 0)


class RandomCalls(lab.AttackCase):
    def what(self, seed):
        numbers = known() * 3 if seed % 8 else list(range(480))
        return f"{seed} {MS} {1 + seed % 3} " + " ".join(map(str, sorted(set(numbers))))

    def one(self, seed):
        limits = {"wall_ms": MS + 2000, "output_kib": 64}
        if lab.OUTSIDE or seed % 4:
            return seed, self.attack(PYTHON, {"WHAT": self.what(seed)}, limits=limits)
        return seed, self.lab.supervisor.run(NODE % json.dumps(self.lab.path("lib", "fuzz.so")), language="nodejs", policy="attack_node",
                                             env={"RANDOM_CALLS": self.what(seed)}, limits=limits)

    def explain(self, seed, r):
        """A death that says why: nobody's fault but the job's own."""
        where = f"seed {seed}: {lab.brief(r)}"
        self.assertIn(r["outcome"], ("exited", "signaled", "violation", "limit"), where)
        if r["outcome"] == "violation":
            last = r["violations"][-1]
            self.assertEqual(last["verdict"], "killed", where)
            self.assertTrue(last["syscall"] and last["rule"], where)
        if r["outcome"] == "signaled":  # SIGSYS and SIGKILL it could have had by kill(2) of its own, which is told otherwise
            self.assertNotEqual(r["signal"], signal.SIGSYS, where)
        return r["outcome"]

    def test_random_calls(self):
        end, seen, seeds = None, {}, iter(range(SEED, SEED + (1 << 30)))
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE + 1) as pool:
            while end is None or time.monotonic() < end:
                jobs = [pool.submit(self.one, next(seeds)) for _ in range(AT_ONCE)]
                beside = self.attack("print(sum(range(1000)))")
                self.assertEqual((beside["outcome"], beside["stdout"]), ("exited", b"499500\n"), lab.brief(beside))
                for job in jobs:
                    what = self.explain(*job.result())
                    seen[what] = seen.get(what, 0) + 1
                if end is None:  # the pools are filled
                    before, processes, end = self.lab.held_at_rest(), self.lab.processes(), time.monotonic() + SECONDS
        print(f"seed {SEED}: {seen}")
        self.assertEqual(self.lab.processes()[:3], processes[:3])  # keeper, front, worker are the same
        try:
            eventually(lambda: lab.is_little_more(self.lab.held_at_rest(), before, 8, 4))
        except AssertionError:
            self.fail(f"{before}, and then {self.lab.held()}")


if __name__ == "__main__":
    unittest.main()
