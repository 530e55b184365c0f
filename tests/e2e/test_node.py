"""Node.js jobs: what `node main.js` would do, done by a confined fork of a warm Node."""
import shutil
import subprocess
import tempfile
import os
import unittest

import support
from support import Case, warder

NODE = shutil.which("node", path="/usr/bin:" + os.environ.get("PATH", ""))
ADDON = os.path.join(support.BUILD, "tracee", "_warder.node")


def needs_node(case):
    reason = "missing: node" if not NODE else "missing: Node headers, so no addon was built" if not os.path.exists(ADDON) else None
    return unittest.skip(reason)(case) if reason else case


def outside(code, args=(), filename="main.js", timeout=60):
    """What plain Node does with the same file: (status, stdout, stderr)."""
    with tempfile.TemporaryDirectory(prefix="warder-outside-") as folder:
        with open(os.path.join(folder, filename), "w", encoding="utf-8") as f:
            f.write(code)
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "USER": "job"}
        done = subprocess.run(["node", os.path.join(folder, filename), *args], stdin=subprocess.DEVNULL, cwd=folder, env=env, executable=NODE,
                              capture_output=True, timeout=timeout)
        return (done.returncode, done.stdout.decode().replace(folder, "/tmp"), done.stderr.decode().replace(folder, "/tmp"))


# run inside and outside, and compared: exit status, stdout and stderr, byte for byte
SAME_AS_OUTSIDE = {
    "hello": "console.log('hello')",
    "empty": "",
    "formats": "console.log('%s %d %j', 'a', 1.5, {b: [1]}, new Map([[1, {c: new Set('x')}]])); console.error('err')",
    "exit": "process.exit(3)",
    "exit 300": "process.exit(300)",
    "exit code": "process.exitCode = 5",
    "exit in a promise": "Promise.resolve().then(() => process.exit(4))",
    "exit event": "process.on('exit', (c) => { console.log('exit', c, process.exitCode); process.exitCode = 9 })",
    "exit in exit": "process.on('exit', () => process.exit(6))",
    "throw in exit": "process.on('exit', () => { throw new Error('late') })",
    "before exit": "let n = 0; process.on('beforeExit', (c) => { console.log('before', c); if (n++ < 2) setTimeout(() => 0, 2) })",
    "uncaught": "const a = 1;\nfunction f(x) {\n  throw new TypeError('boom ' + x);\n}\n\nf(a);\n",
    "uncaught with cause": "throw new Error('a', { cause: new RangeError('b') })",
    "uncaught value": "throw 5",
    "uncaught null": "throw null",
    "uncaught object": "throw { a: 1 }",
    "uncaught in a timer": "setTimeout(() => {\n  null.x;\n}, 1)",
    "uncaught in nextTick": "process.nextTick(() => { throw new Error('tick') })",
    "uncaught in a promise": "Promise.reject(new Error('rejected'))",
    "rejection of a value": "Promise.reject(7)",
    "rejection later": "setTimeout(() => Promise.reject(new Error('rejected')), 1)",
    "handler of uncaught": "process.on('uncaughtException', (e, o) => console.log('got', e.message, o)); throw new Error('x')",
    "handler of rejections": "process.on('unhandledRejection', (e) => console.log('got', e.message)); Promise.reject(new Error('x'))",
    "handler that throws": "process.on('uncaughtException', () => { throw new Error('again') }); throw new Error('x')",
    "uncaught monitor": "process.on('uncaughtExceptionMonitor', (e) => console.log('saw', e.message)); throw new Error('x')",
    "exit event after uncaught": "process.on('exit', (c) => console.log('exit', c)); throw new Error('x')",
    "syntax error": "let a = 1;\nlet b = ;\n",
    "recursion": "function f() { return f() + 1 }\ntry { f() } catch (e) { console.log(e instanceof RangeError, e.message) }",
    "sloppy": "x = 1; console.log(this === module.exports, typeof require, delete globalThis.x, (function () { return this === globalThis })())",
    "module": "console.log(__filename, __dirname, require.main === module, module.id, module.children, module.parent, module.loaded)",
    "require cache": "console.log(Object.keys(require.cache), require('module')._pathCache && 1)",
    "missing module": "require('nowhere')",
    "missing file": "require('./nowhere')",
    "process": "console.log(process.argv, process.execArgv, process.argv0, process.title, process.cwd(), process.version, process.platform)",
    "environment": "console.log(Object.entries(process.env).sort())",
    "globals": "console.log(Object.getOwnPropertyNames(globalThis).sort().join(), Object.keys(process).sort().join())",
    "strict stack": "'use strict';\nfunction a() { b() }\nfunction b() { console.log(new Error('here').stack) }\na()",
    "call sites": "Error.prepareStackTrace = (e, s) => s.map((c) => c.getFileName()); console.log(new Error().stack)",
    "stack in a callback": "setImmediate(() => console.log(new Error('x').stack)); Promise.resolve().then(() => console.log(new Error('y').stack))",
    "order": "setTimeout(() => console.log('timer'), 0); setImmediate(() => console.log('immediate')); process.nextTick(() => console.log('tick'));"
             "Promise.resolve().then(() => console.log('micro')); queueMicrotask(() => console.log('queued')); console.log('main')",
    "stdin": "process.stdin.on('data', (d) => console.log(d)).on('end', () => console.log('end'))",
    "much output": "process.stdout.write('x'.repeat(3000000)); console.log('done')",
    "signal": "process.on('SIGTERM', () => { console.log('got'); clearInterval(t) }); const t = setInterval(() => 0, 1000);"
              "setTimeout(() => process.kill(process.pid, 'SIGTERM'), 2)",
    "asynchronous": "const zlib = require('zlib'), crypto = require('crypto'), fs = require('fs');\n(async () => {\n"
                    "  const { promisify } = require('util');\n"
                    "  console.log(String(await promisify(zlib.gunzip)(await promisify(zlib.gzip)('hello'))));\n"
                    "  console.log((await promisify(crypto.pbkdf2)('a', 'b', 1000, 16, 'sha256')).toString('hex'));\n"
                    "  await fs.promises.writeFile('x', 'data'); console.log(await fs.promises.readFile('x', 'utf8'));\n"
                    "  for await (const c of fs.createReadStream('x')) console.log(c);\n})()",
    "unref'd timer": "setTimeout(() => console.log('never'), 50).unref(); console.log('end')",
    "finalization": "new FinalizationRegistry(() => 0).register({}, 1); console.log('end')",
}
SAME_AS_MODULE = {
    "module": "import fs from 'fs';\nimport { createHash } from 'node:crypto';\n"
              "console.log(import.meta.url, typeof require, await 5, createHash('md5').update('x').digest('hex'), this)",
    "uncaught": "import 'fs';\n\nawait 1;\nthrow new Error('in a module')",
    "unsettled": "await new Promise(() => 0)",
    "syntax": "import 'fs';\nlet x = ;",
    "missing": "import 'nowhere'",
    "missing name": "import { nothing } from 'fs'",
}


@needs_node
class LikeNode(Case):
    def check(self, code, filename):
        want = outside(code, filename=filename)
        r = self.run_job(code, language="nodejs", filename=filename)
        got = (r["exit_code"], r["stdout"].decode(), r["stderr"].decode())
        self.assertEqual(got, want, (r["outcome"], r["limit"], r["error"], r["violations"]))
        self.assertEqual(r["violations"], [])

    def test_scripts(self):
        for name, code in SAME_AS_OUTSIDE.items():
            with self.subTest(name):
                self.check(code, "main.js")

    def test_modules(self):
        for name, code in SAME_AS_MODULE.items():
            for filename in ("main.mjs", "main.js"):
                with self.subTest(name, filename=filename):
                    self.check(code, filename)


if __name__ == "__main__":
    unittest.main()
