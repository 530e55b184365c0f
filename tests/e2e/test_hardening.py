"""How what is built was compiled and linked, read from the files themselves."""
import glob
import os
import platform
import shutil
import subprocess
import unittest

from support import BUILD, ROOT

PROGRAMS = [p for p in (os.path.join(BUILD, n) for n in ("warderd", "warder", "warder-http")) if os.path.exists(p)]
PARTS = glob.glob(os.path.join(BUILD, "tracee", "*.so")) + glob.glob(os.path.join(BUILD, "tracee", "*.node"))
OBJECTS = glob.glob(os.path.join(BUILD, "obj", "**", "*.o"), recursive=True)
BRANCHES = {"x86_64": ("IBT", "SHSTK"), "aarch64": ("BTI", "PAC")}[platform.machine()]


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], capture_output=True, text=True, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout


def imports(path):
    return {line.split()[7].partition("@")[0] for line in readelf("--dyn-syms", path).splitlines() if " UND " in line and len(line.split()) > 7}


class Hardening(unittest.TestCase):
    def setUp(self):
        self.assertEqual({os.path.basename(p) for p in PROGRAMS} & {"warderd", "warder"}, {"warderd", "warder"})
        self.assertTrue(PARTS)

    def test_positions_are_independent(self):
        for path in PROGRAMS + PARTS:
            with self.subTest(os.path.basename(path)):
                self.assertRegex(readelf("-h", path), r"Type:\s+DYN")
                self.assertNotIn("TEXTREL", readelf("-d", path))
        for path in PROGRAMS:
            with self.subTest(os.path.basename(path)):
                self.assertRegex(readelf("-d", path), r"FLAGS_1.*\bPIE\b")

    def test_relocations_are_done_at_the_start_and_read_only(self):
        for path in PROGRAMS + PARTS:
            with self.subTest(os.path.basename(path)):
                self.assertIn("GNU_RELRO", readelf("-l", path))
                self.assertRegex(readelf("-d", path), r"FLAGS_1.*\bNOW\b")

    def test_no_executable_stack_and_no_writable_code(self):
        for path in PROGRAMS + PARTS:
            with self.subTest(os.path.basename(path)):
                segments = [line.split() for line in readelf("-l", path).splitlines() if line.split()[:1] in (["LOAD"], ["GNU_STACK"])]
                self.assertIn("GNU_STACK", [s[0] for s in segments])
                for s in segments:
                    flags = "".join(s[6:-1])
                    self.assertFalse("W" in flags and "E" in flags, s)

    def test_no_search_path_for_libraries(self):
        for path in PROGRAMS + PARTS:
            with self.subTest(os.path.basename(path)):
                self.assertNotRegex(readelf("-d", path), "RPATH|RUNPATH")

    def test_stacks_are_guarded_and_libc_calls_checked(self):
        # fstat.so has neither an array on its stack nor a call of libc
        for path in [p for p in PROGRAMS + PARTS if not p.endswith("fstat.so")]:
            with self.subTest(os.path.basename(path)):
                names = imports(path)
                self.assertIn("__stack_chk_fail", names)
                self.assertTrue([n for n in names if n.endswith("_chk")], names)

    def test_branches_go_where_they_are_meant_to(self):
        """Told by each object: whether a whole program says so depends on the libc's own start-up code, too."""
        self.assertTrue(OBJECTS)
        for part in readelf("-n", *OBJECTS).split("\nFile: ")[1:]:
            path, _, notes = part.partition("\n")
            for feature in BRANCHES:
                self.assertRegex(notes, rf"feature.*\b{feature}\b", path)

    def test_the_build_is_whole(self):
        """Builds without one wall (make WITHOUT=…) are for tests; they say so, and nobody takes one for another."""
        for path in PROGRAMS + PARTS:
            with open(path, "rb") as f:
                self.assertNotIn(b"test build without", f.read(), path)
        if not shutil.which("make"):
            self.skipTest("missing: make")
        done = subprocess.run(["make", "-n", "WITHOUT=landlock+nonsense"], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn("WITHOUT=landlock+nonsense: must be of seccomp ", done.stderr)

    def test_filters_of_front_and_worker(self):
        """The unit test, in a build without sanitizers: their own calls are on no list, so there it has nothing to try."""
        done = subprocess.run([os.path.join(BUILD, "tests", "test_guard")], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("[       OK ] test_forbidden_calls_end_it", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
