"""The cgroup layer: where memory is delegated each job has a leaf of its own, which bounds it whatever its worker is doing."""
import os
import signal
import tempfile
import unittest

import support
from support import Supervisor, eventually

MOUNT = "/sys/fs/cgroup"
PATIENT = "name: patient\nextends: python3\nlimits: {wall_ms: 600000, cpu_ms: 600000, memory_mib: 64}\n" \
          "callers_may: {limits: {wall_ms: 600000, cpu_ms: 600000}}\n"  # virtual machines are slow
# mapped before, since a large mmap waits for the worker, and touched when it sleeps
HOG = "import mmap, time\nx = mmap.mmap(-1, 240 << 20, mmap.MAP_PRIVATE)\nprint('on', flush=True)\ntime.sleep(6)\n" \
      "for i in range(0, len(x), 4096): x[i] = 1"


def words(*path):
    with open(os.path.join(MOUNT, *path)) as f:
        return f.read().split()


def why_not():
    if os.geteuid():
        return "capability: root makes the cgroup"
    try:
        return None if "memory" in words("cgroup.subtree_control") else f"kernel feature: {MOUNT} gives no memory controller down"
    except OSError:
        return f"kernel feature: {MOUNT} is no cgroup v2"


class Leaves(unittest.TestCase):
    def setUp(self):
        if why_not():
            self.skipTest(why_not())
        self.dir = os.path.join(MOUNT, f"warder-test-{os.getpid()}")
        os.mkdir(self.dir)
        self.addCleanup(os.rmdir, self.dir)  # which proves that nothing is left in it
        self.addCleanup(lambda: self.assertEqual(words(self.dir, "cgroup.procs"), []))
        folder = tempfile.TemporaryDirectory(prefix="warder-cgroup-")
        self.addCleanup(folder.cleanup)
        with open(os.path.join(folder.name, "patient.yaml"), "w") as f:
            f.write(PATIENT)
        self.supervisor = Supervisor("--workers", "1", "--policy-dir", folder.name, "--policy-dir", support.POLICIES,
                                     prefix=("/bin/sh", "-c", f'echo $$ > {self.dir}/cgroup.procs; exec "$@"', "sh"), deadline=600)
        self.addCleanup(self.supervisor.stop)

    def leaves(self):
        return [d for d in os.listdir(self.dir) if d.startswith("job-")]

    def leaf_of(self, pid):
        return next((d for d in self.leaves() if str(pid) in words(self.dir, d, "cgroup.procs")), None)

    def running(self, c):
        i = c.start(HOG, stream=True, policy="patient")
        c.wait_output(b"on\n")
        [job] = c.rpc("jobs")
        return i, self.leaf_of(job["tracee_pid"])

    def test_the_kernel_ends_a_job_while_its_worker_sleeps(self):
        with self.supervisor.client(timeout=None) as c:
            self.assertIn("cgroup", c.run("1", policy="patient")["layers"])
            i, leaf = self.running(c)
            self.assertTrue(leaf)
            most = int(words(self.dir, leaf, "memory.max")[0])
            self.assertTrue(64 + 64 <= most >> 20 <= 64 + 64 + 80, most)  # memory, /tmp, what it was born with and the kernel's own
            self.assertEqual(words(self.dir, leaf, "memory.oom.group"), ["1"])
            worker = int(leaf.split("-")[1])
            os.kill(worker, signal.SIGSTOP)
            try:
                eventually(lambda: "oom_group_kill 1" in " ".join(words(self.dir, leaf, "memory.events")), 600)
            finally:
                os.kill(worker, signal.SIGCONT)
            r = c.wait(i)
            self.assertEqual((r["outcome"], r["limit"]), ("limit", "memory"), r)
            eventually(lambda: c.run("1", policy="patient")["outcome"] == "exited", 600)  # a birth may have been let down by the sleeper
            for _ in range(4):  # whoever has that leaf next is not taken for it
                self.assertEqual(c.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", policy="patient")["outcome"], "signaled")

    def test_a_worker_that_dies_leaves_none(self):
        with self.supervisor.client(timeout=None) as c:
            i, leaf = self.running(c)
            worker = leaf.split("-")[1]
            os.kill(int(worker), signal.SIGKILL)
            self.assertEqual(c.wait(i)["outcome"], "error")
            eventually(lambda: not [d for d in self.leaves() if d.startswith(f"job-{worker}-")], 60)
            self.assertIn("cgroup", c.run("1", policy="patient")["layers"])


if __name__ == "__main__":
    unittest.main()
