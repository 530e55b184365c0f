"""Violations of Node.js jobs name the line of JavaScript that made the call."""
import unittest

from node_jobs import needs_node
from support import Case

# name: (function as it is told, source in which a line has the mark HERE); READ stands for a call that is hidden
READ = "try { require('fs').readFileSync('/etc/shadow') } catch {}"
PLACES = {
    "top": ("<anonymous>", "let a;\n\n%s // HERE\n"),
    "function": ("reader", "function reader(p) {\n  const x = 1;\n  %s // HERE\n  return x;\n}\nreader();\n"),
    "arrow": ("arrow", "const arrow = () => {\n  %s // HERE\n};\narrow();\n"),
    "method": ("m", "class A {\n  m() {\n    %s // HERE\n  }\n}\nnew A().m();\n"),
    "constructor": ("A", "class A {\n  constructor() {\n    %s // HERE\n  }\n}\nclass B extends A {}\nnew B();\n"),
    "static block": (("<static_initializer>", "A"), "class A {\n  static {\n    %s // HERE\n  }\n}\n"),
    "getter": ("get x", "const o = {\n  get x() {\n    %s // HERE\n  },\n};\no.x;\n"),
    "proxy": ("get", "new Proxy({}, { get() {\n  %s // HERE\n} }).x;\n"),
    "closure with many names": ("inner", "function outer() {\n  const a = 1, b = 2, c = 'three';\n  function inner(d) {\n    const e = () => a + b + c + d;\n"
                                "    %s // HERE\n    return e;\n  }\n  inner();\n}\nouter();\n"),
    "generator": ("gen", "function* gen() {\n  yield 1;\n  %s // HERE\n}\n[...gen()];\n"),
    "after await": ("later", "async function later() {\n  await null;\n  %s // HERE\n}\nlater();\n"),
    "promise": ("then", "Promise.resolve().then(function then() {\n  %s // HERE\n});\n"),
    "timer": ("tick", "setTimeout(function tick() {\n  %s // HERE\n}, 1);\n"),
    "sort": ("by", "[2, 1].sort(function by() {\n  %s // HERE\n  return 0;\n});\n"),
    "replace": ("each", "'a'.replace(/a/, function each() {\n  %s // HERE\n});\n"),
    "reviver": ("revive", "JSON.parse('1', function revive() {\n  %s // HERE\n});\n"),
    "stringify": ("toJSON", "JSON.stringify({ toJSON() {\n  %s // HERE\n} });\n"),
    "event": ("on", "const e = new (require('events'))();\ne.on('x', function on() {\n  %s // HERE\n});\ne.emit('x');\n"),
    "exit": ("last", "process.on('exit', function last() {\n  %s // HERE\n});\n"),
    "eval": ("caller", "function caller() {\n  eval(\"try { require('fs').readFileSync('/etc/shadow') } catch {}\"); // HERE %.0s\n}\ncaller();\n"),
    "bound": ("target", "function target() {\n  %s // HERE\n}\ntarget.bind(null)();\n"),
    "carriage returns": ("f", "function f() {\r\n  %s // HERE\r\n}\r\nf();\r\n"),
    "unicode": ("größe", "const s = '漢字😀';\nfunction größe() {\n  %s // HERE\n}\ngröße();\n"),
    "line separators": ("f", "/*\u2028\u2029*/\nfunction f() {\n  %s // HERE\n}\nf();\n"),
    "deep": ("f", "function f(n) {\n  if (n) return f(n - 1);\n  %s // HERE\n}\nf(60);\n"),
    "hot": ("f", "function f(x, really) {\n  let s = 0;\n  for (let i = 0; i < 10; i++) s += i * x;\n  if (really) { %s } // START\n  return s;\n}\n"
            "let t = 0;\nfor (let i = 0; i < 50000; i++) t += f(i, false);\nf(1, true);\n"),
}
MODULE = "import { readFileSync } from 'node:fs';\n\nawait null;\nfunction f() {\n  try { readFileSync('/etc/shadow') } catch {} // HERE\n}\nf();\n"
CALLS = {
    "spawn": ("clone", "require('child_process').spawnSync('true')"),
    "mkdir": ("mkdir", "try { require('fs').mkdirSync('/x') } catch {}"),
    "symlink": ("symlink", "try { require('fs').symlinkSync('/a', '/b') } catch {}"),
    "killing": ("setuid", "try { process.setuid(0) } catch {}"),
}


def line_of(source, mark):
    before = source[:source.index(mark)].replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return before.count("\n") + 1


@needs_node
class Lines(Case):
    supervisor_args = ("--workers", "1")

    def one(self, code, syscall=None, **fields):
        for _ in range(5):
            r = self.run_job(code, language="nodejs", **fields)
            found = [v for v in r["violations"] if v["path"] == "/etc/shadow" or (syscall and v["syscall"] == syscall)]
            if not any("too long" in (v["no_line"] or "") for v in found):  # the clock's time: this machine was busy with something else
                break
        self.assertEqual(len(found), 1, (code, r))
        return found[0]

    def test_places(self):
        for name, (function, source) in PLACES.items():
            with self.subTest(name):
                code = source % READ
                v = self.one(code)
                mark = "HERE" if "HERE" in code else "function f"
                at = [line_of(code, mark)] if mark == "HERE" else range(1, line_of(code, "START") + 1)
                self.assertEqual(v["file"], "/tmp/main.js")
                self.assertIn(v["function"], function if isinstance(function, tuple) else (function,))
                self.assertIn(v["line"], at)

    def test_module(self):
        v = self.one(MODULE, filename="main.mjs")
        self.assertEqual((v["file"], v["line"], v["function"]), ("/tmp/main.mjs", line_of(MODULE, "HERE"), "f"))

    def test_calls(self):
        for name, (syscall, call) in CALLS.items():
            with self.subTest(name):
                code = f"'use strict';\nfunction caller() {{\n  {call};\n}}\ncaller();\n"
                v = self.one(code, syscall)
                self.assertEqual((v["file"], v["line"], v["function"]), ("/tmp/main.js", 3, "caller"))

    def test_file_beside(self):
        helper = "exports.read = function read() {\n\n  %s\n};\n" % READ
        v = self.one("require('./lib/helper').read();\n", files={"lib/helper.js": helper.encode()})
        self.assertEqual((v["file"], v["line"], v["function"]), ("/tmp/lib/helper.js", 3, "read"))

    def other_thread(self, *args, **fields):
        v = self.one(*args, **fields)
        if "cannot be looked at" in (v["no_line"] or ""):
            self.skipTest("capability to look at the stacks of jobs is missing")
        return v

    def test_pool(self):
        """It runs no JavaScript, and what asked has gone on: a reason is told, no line, rather than a wrong one."""
        for code in ("require('fs').readFile('/etc/shadow', () => {})", "require('fs').promises.readFile('/etc/shadow').catch(() => {})",
                     "setTimeout(() => require('fs').stat('/etc/shadow', () => {}), 2)",
                     "require('fs').createReadStream('/etc/shadow').on('error', () => {})"):
            with self.subTest(code):
                v = self.other_thread(code)
                self.assertEqual((v["file"], v["line"], v["function"]), (None, None, None))
                self.assertIn("one of Node's pool, for something that was asked for before", v["no_line"])

    def test_workers(self):
        """Each has an isolate of its own."""
        source = "const x = 1;\nfunction reader() {\n  %s // HERE\n}\n%s"
        for name, (start, wanted) in {
            "eval": ("new (require('worker_threads').Worker)(%r, { eval: true })", "[worker eval]"),
            "several": ("const { Worker } = require('worker_threads');\nconst w = [1, 2, 3].map(() => new Worker(%r, { eval: true }))", "[worker eval]"),
        }.items():
            for late in ("reader()", "setTimeout(reader, 2)", "(async () => { await null; reader(); })()"):
                with self.subTest(name, late=late):
                    v = self.other_thread(start % (source % (READ, late)))
                    self.assertEqual((v["file"], v["line"], v["function"], v["no_line"]), (wanted, 3, "reader", None), v)
        v = self.other_thread("new (require('worker_threads').Worker)('/tmp/w.js')", files={"w.js": (source % (READ, "reader()")).encode()})
        self.assertEqual((v["file"], v["line"], v["function"]), ("/tmp/w.js", 3, "reader"))
        v = self.other_thread("new (require('worker_threads').Worker)(%r, { eval: true })" % "function kills() {\n  require('os').setPriority(0, 5);\n}\n"
                              "try { kills() } catch {}", "setpriority")
        self.assertEqual((v["file"], v["line"], v["function"]), ("[worker eval]", 2, "kills"))

    def test_each_has_a_line_or_a_reason(self):
        r = self.run_job("const fs = require('fs');\n" + READ + "\nfs.readFile('/etc/passwd', () => {});\nrequire('dns').lookup('no.example', () => {});\n"
                         "require('child_process').spawnSync('true');", language="nodejs")
        self.assertGreater(len(r["violations"]), 2)
        for v in r["violations"]:
            self.assertEqual(v["line"] is None, bool(v["no_line"]), v)

    def test_flood(self):
        """Hot code is compiled, which does not tell its place: it is counted where the same call was seen before."""
        v = self.one("const fs = require('fs');\nlet n = 0;\nfunction f() {\n  try { fs.accessSync('/etc/shadow') } catch { n++ }\n}\n"
                     "for (let i = 0; i < 3000; i++) f();\nconsole.log(n);\n")
        self.assertEqual((v["file"], v["line"], v["function"], v["count"]), ("/tmp/main.js", 4, "f", 3000))

    def test_text_is_escaped(self):
        v = self.one("const f = { ['\\x1b[2J\\n']() {\n  %s\n} };\nObject.values(f)[0]();\n" % READ)
        self.assertNotIn("\x1b", v["function"])
        self.assertEqual(v["line"], 2)


if __name__ == "__main__":
    unittest.main()
