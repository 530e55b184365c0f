"""Ordinary programs, of the kind workflow authors write: the same stdout as outside, and nothing killed, also under load.

snippets/*.py print the same at every run. A new one needs no entry anywhere.
"""
import glob
import os
import unittest

import support
from support import Case, Outside

FOLDER = os.path.join(support.ROOT, "tests", "e2e", "snippets")
LOAD_RUNS = 2000 if support.LONG else 400
WAYS = 8


def load_snippets():
    snippets = {}
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.py"))):
        with open(path, encoding="utf-8") as f:
            snippets[os.path.basename(path)[:-3]] = f.read()
    return snippets


class Snippets(Case):
    """One supervisor for all; what each prints outside is found once."""

    @classmethod
    def setUpClass(cls):
        cls.snippets = load_snippets()
        cls.outside = {name: Outside(code) for name, code in cls.snippets.items()}
        super().setUpClass()

    def wrong(self, name, result):
        """None when the result is what it should be, else what is wrong with it."""
        out = self.outside[name]
        if result["outcome"] != "exited" or result["exit_code"] != out.status or result["stdout"] != out.stdout:
            return (f"{name}: {result['outcome']} {result['exit_code']} {result['error']} {result['violations']}\n"
                    f"{result['stderr'].decode()}\n--- stdout:\n{result['stdout'].decode()}"
                    f"\n--- outside:\n{out.stdout.decode()}")
        return None

    def load(self, names):
        """Runs them all, WAYS at a time, over one connection. Returns what went wrong."""
        names, pending, wrong = list(names), {}, []
        with self.supervisor.client(timeout=120) as c:
            while names or pending:
                while names and len(pending) < WAYS:
                    name = names.pop()
                    pending[c.start(self.snippets[name])] = name
                while not any(i in c.answers for i in pending):
                    c.receive()
                for i in [i for i in pending if i in c.answers]:
                    name = pending.pop(i)
                    wrong.append(self.wrong(name, c.wait(i)))
        return [w for w in wrong if w]

    def test_under_load(self):
        names = list(self.snippets)
        runs = (names * (LOAD_RUNS // len(names) + 1))[:LOAD_RUNS]
        wrong = self.load(runs)
        self.assertEqual(len(wrong), 0, f"{len(wrong)} of {LOAD_RUNS} runs; the first:\n" + "".join(wrong[:2]))

    def test_there_are_forty(self):
        self.assertGreaterEqual(len(self.snippets), 40)


def single(name):
    def test(self):
        self.assertEqual(self.outside[name].status, 0, self.outside[name].stderr.decode())
        wrong = self.wrong(name, self.run_job(self.snippets[name]))
        self.assertIsNone(wrong, wrong)
    return test


for snippet in load_snippets():
    setattr(Snippets, f"test_{snippet}", single(snippet))


if __name__ == "__main__":
    unittest.main()
