"""tools/trace-job: what it prints, what it writes, its exit status."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import support

TOOL = os.path.join(support.ROOT, "tools", "trace-job")
EVIL = "</script><script>document.title='owned'</script><!--\x1b[31m\u202e"
PROGRAM = f"""import os

def load(name):
    with open(name) as f:
        return f.read()

load("/etc/mime.types")
try:
    load("/etc/shadow")
except OSError:
    pass
name = {EVIL.replace("/", "|")!r}
open("/tmp/" + name, "w").close()
print("done")
"""


def trace_job(*args, stdin=PROGRAM, **kw):
    return subprocess.run([TOOL, *args], input=stdin.encode(), capture_output=True, timeout=120,
                          env={**os.environ, "WARDER_BUILD": support.BUILD}, **kw)


class Tool(unittest.TestCase):
    def test_lines(self):
        done = trace_job("-")
        self.assertEqual((done.returncode, done.stderr), (0, b"done\n"))
        text = done.stdout.decode()
        self.assertRegex(text, r'(?m)^\d+\.\d{3} \[\d+\] openat\(AT_FDCWD, "/etc/mime.types", O_RDONLY\|O_CLOEXEC\) = \d+ <\d+ µs> '
                               r'brokered main.py:4 in load$')
        self.assertRegex(text, r'openat\(AT_FDCWD, "/etc/shadow", .*\) = -1 ENOENT <\d+ µs> hidden main.py:4 in load')
        self.assertNotIn("\x1b", text)
        self.assertNotIn("\u202e", text)

    def test_json_only_and_output(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "calls")
            done = trace_job("--json", "--only", "violations", "-o", path, "-")
            self.assertEqual((done.returncode, done.stdout), (0, b"done\n"))
            with open(path) as f:
                calls = [json.loads(line) for line in f]
        self.assertEqual([(c["syscall"], c["path"], c["verdict"], c["line"]) for c in calls], [("openat", "/etc/shadow", "hidden", 4)])

    def test_summary_and_status(self):
        done = trace_job("--summary", "-", stdin="import os\nfor i in range(7): os.stat('/tmp')\nraise SystemExit(3)")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout.decode(), r"^   calls   errors   total_us syscall\n(?s:.*) 7 +\d+ newfstatat\n(?s:.*) 7 +\d+ main.py:2 in <module>\n")
        self.assertEqual(trace_job("--brokered", "-", stdin="import ctypes\nctypes.CDLL(None).unshare(1 << 28)").returncode, 159)
        self.assertEqual(trace_job("--timeout", "0.2", "-", stdin="while True: pass").returncode, 124)

    def test_page_is_inert(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "page.html")
            self.assertEqual(trace_job("--html", path, "-").returncode, 0)
            with open(path, encoding="utf-8") as f:
                page = f.read()
        self.assertEqual(page.count("<script"), 2)
        self.assertEqual(page.count("</script"), 2)
        self.assertNotIn("\x1b", page)
        data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.S).group(1))
        self.assertEqual("\n".join(data["source"]), PROGRAM)
        self.assertIn("/etc/shadow", [c[data["keys"].index("path")] for c in data["calls"]])
        self.assertTrue(data["suggestions"])
        self.assertNotRegex(page, r"(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)")

    def test_page_of_many_calls_is_small(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "page.html")
            self.assertEqual(trace_job("--brokered", "--html", path, "-", stdin="import os\nfor i in range(2000): os.path.exists('/none')").returncode, 0)
            self.assertLess(os.path.getsize(path), 20000 + 2000 * 220)

    @unittest.skipUnless(support.LONG and shutil.which("chromium"), "missing chromium, or --long")
    def test_page_in_a_browser(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "page.html")
            self.assertEqual(trace_job("--html", path, "-").returncode, 0)
            dom = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile", "--dump-dom",
                                  "file://" + path], capture_output=True, timeout=120).stdout.decode()
        self.assertIn("<title>Traced: -</title>", dom)  # nothing of the job has run there
        self.assertRegex(dom, r'<td class="call">openat\(AT_FDCWD, "/etc/shadow"')
        self.assertRegex(dom, r'<span class="chip mono"[^>]*>.*?openat ?')
        self.assertIn("<rect", dom)


if __name__ == "__main__":
    unittest.main()
