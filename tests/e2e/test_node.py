"""Node.js jobs: what `node main.js` would do, done by a confined fork of a warm Node."""
import ctypes
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import support
from support import Case, eventually, warder

SYS_KCMP = {"x86_64": 312, "aarch64": 272}[os.uname().machine]

NODE = shutil.which("node", path="/usr/bin:" + os.environ.get("PATH", ""))
MAJOR = int(subprocess.run([NODE, "-p", "process.versions.node"], capture_output=True).stdout.split(b".")[0]) if NODE else 0
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
    "order": "setTimeout(() => console.log('timer'), 300); setImmediate(() => console.log('immediate')); process.nextTick(() => console.log('tick'));"
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
    "hooks of modules": "require('fs').writeFileSync('h.mjs', 'export const load = (u, c, n) => u === \"x:y\" ?"
                        " { format: \"module\", source: \"export default 5\", shortCircuit: true } : n(u, c);"
                        "export const resolve = (s, c, n) => s === \"x:y\" ? { url: s, shortCircuit: true } : n(s, c)');\n"
                        "require('module').register?.('./h.mjs', 'file://' + __filename); console.log('execArgv' in {}); import('x:y').then((m) => console.log(m.default))",
    "constructor of a worker": "const { Worker } = require('worker_threads'); try { Worker('') } catch (e) { console.log(e.message) }\n"
                               "const w = new Worker.prototype.constructor('', { eval: true }); console.log(w.constructor === Worker, Worker.length, w instanceof Worker);\n"
                               "w.on('exit', (c) => { console.log(c, new Error('x').stack) })",
    "unref'd timer": "setTimeout(() => console.log('never'), 60_000).unref(); console.log('end')",
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
    def check(self, code, filename, outside_as=None):
        want = outside(code, filename=outside_as or filename)
        r = self.run_job(code, language="nodejs", filename=filename)
        got = (r["exit_code"], r["stdout"].decode(), r["stderr"].decode())
        want, got = [(s, out, re.sub(r"\(node:\d+\)", "(node:PID)", err)) for s, out, err in (want, got)]
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
                    # Node 18 is told by the suffix alone
                    self.check(code, filename, "main.mjs" if MAJOR < 20 else None)


STATE = """
const vm = require('vm'), { randomBytes, randomInt, randomUUID } = require('crypto');
const inContext = vm.runInNewContext('Math.random()');
new (require('worker_threads').Worker)('require("worker_threads").parentPort.postMessage(Math.random())', { eval: true })
  .on('message', (inWorker) => console.log(JSON.stringify({
    random: Math.random(), inContext, inWorker, bytes: randomBytes(16).toString('hex'), int: randomInt(2 ** 40), uuid: randomUUID(),
    web: Array.from(require('crypto').webcrypto.getRandomValues(new Uint32Array(3))).join(), pid: process.pid, origin: performance.timeOrigin,
  })));
"""
CLOCKS = """
const near = (a, b) => Math.abs(a - b) < 500;
const results = [performance.now() < 500, process.uptime() < 0.5, near(performance.timeOrigin + performance.now(), Date.now())];
performance.mark('a');
setTimeout(() => {
  performance.mark('b', { detail: 3 });
  const m = performance.measure('m', 'a', 'b');
  results.push(m.duration >= 19 && m.duration < 500, m.startTime < 500, performance.measure('n').duration < 500);
  results.push(performance.measure('p', 'a').duration < 500, performance.measure('q', { start: 1, duration: 5 }).duration === 5);
  console.log(results.join());
}, 20);
"""


@needs_node
class OwnState(Case):
    """What children of one zygote would share, and do not."""

    def run_js(self, code, **fields):
        return self.run_job(code, language="nodejs", **fields)

    def test_random_state_and_identity(self):
        seen = [json.loads(self.run_js(STATE)["stdout"]) for _ in range(8)]
        for key in seen[0]:
            with self.subTest(key):
                self.assertEqual(len({s[key] for s in seen}), len(seen), [s[key] for s in seen])

    def test_clocks_begin_with_the_job(self):
        r = self.run_js(CLOCKS)
        self.assertEqual(r["stdout"].decode(), ",".join(["true"] * 8) + "\n", r)

    @unittest.skipIf(MAJOR < 20, "missing: a Node whose own clock can be set")
    def test_clocks_of_node_itself_and_of_workers_begin_with_the_job(self):
        code = """const e = new Event('x').timeStamp, m = new PerformanceMark('m').startTime, { Worker } = require('worker_threads'), results = [];
        new PerformanceObserver((l) => results.push(l.getEntries()[0].startTime <= performance.now())).observe({ type: 'function' });
        performance.timerify(() => 0)();
        results.push(e >= 0, e <= performance.now(), m <= performance.now());
        new Worker('const p = performance; require("worker_threads").parentPort.postMessage([p.timeOrigin, p.timeOrigin + p.now(), process.uptime()])', { eval: true })
          .on('message', ([origin, now, up]) => results.push(origin > performance.timeOrigin - 1, Math.abs(Date.now() - now) < 30000, up <= process.uptime() + 1));
        process.on('exit', () => console.log(results.join()));"""
        for _ in range(2):  # the zygote is older at the second
            r = self.run_js(code)
            self.assertEqual(r["stdout"].decode(), ",".join(["true"] * 7) + "\n", r)

    def test_environment_and_time_zone(self):
        code = "console.log(process.env.A, process.env.TZ, new Date(0).getHours(), new Date(0).getTimezoneOffset())"
        for zone, hours in (("Asia/Tokyo", 9), ("UTC", 0), ("Asia/Kolkata", 5)):
            r = self.run_js(code, env={"TZ": zone, "A": "b"})
            self.assertEqual(r["stdout"].decode().split()[:3], ["b", zone, str(hours)], r)
        self.assertEqual(self.run_js("console.log('A' in process.env)")["stdout"], b"false\n")

    def test_descriptors(self):
        """Its loop's own, and none that reach another process: every pipe and event is either the loop's or nobody's."""
        code = """const fs = require('fs'); const kinds = {};
        for (let fd = 0; fd < 64; fd++) { try { const s = fs.fstatSync(fd);
          const kind = s.isFIFO() ? 'pipe' : s.isSocket() ? 'socket' : s.isFile() ? 'file' : s.isCharacterDevice() ? 'device' : 'anonymous';
          kinds[kind] = (kinds[kind] || 0) + 1; } catch {} }
        console.log(JSON.stringify(kinds));"""
        kinds = json.loads(self.run_js(code)["stdout"])
        self.assertEqual((kinds.get("socket"), kinds.get("file")), (None, None), kinds)

    @unittest.skipUnless(support.IS_ROOT, "capability: only root compares descriptors of other processes")
    def test_shares_no_descriptor_with_its_zygote(self):
        """Neither do waiting children share any with one another: a loop's event would wake, and tell, somebody else's job."""
        self.run_js("1")
        zygote = int(re.search(r"zygote_ready policy=nodejs pid=(\d+)", self.supervisor.log())[1])

        def family():
            with open(f"/proc/{zygote}/task/{zygote}/children", encoding="ascii") as f:
                return [zygote] + [int(p) for p in f.read().split()]
        eventually(lambda: len(family()) >= 3)
        libc = ctypes.CDLL(None, use_errno=True)

        def shared():
            files = [(p, int(fd)) for p in family() for fd in os.listdir(f"/proc/{p}/fd")]
            return [(a, b) for i, a in enumerate(files) for b in files[i + 1:]
                    if a[0] != b[0] and libc.syscall(SYS_KCMP, a[0], b[0], 0, a[1], b[1]) == 0]
        eventually(lambda: not shared())  # what a birth needs is closed soon after it

    def test_what_node_tells_of_its_start(self):
        code = """const report = process.report.getReport(), { nodeTiming } = performance;
        const file = process.report.writeReport('r.json'), written = JSON.parse(require('fs').readFileSync(file));
        const times = ['nodeStart', 'v8Start', 'environment', 'bootstrapComplete', 'loopStart', 'duration'].map((k) => nodeTiming[k]);
        console.log(JSON.stringify({ lines: [report, written].map((r) => r.header.commandLine), text: JSON.stringify([report, written]), times }));"""
        told = json.loads(self.run_js(code, args=["x"])["stdout"])
        self.assertEqual(told["lines"], [["node", "/tmp/main.js", "x"]] * 2)
        for word in ("bootstrap.js", "_warder", "node:warder"):
            self.assertNotIn(word, told["text"])
        self.assertEqual([t for t in told["times"] if not -1 <= t < 500], [])

    def test_trace_events_are_refused_in_words(self):
        """The thread that writes them is not in a fork: Node's own check would abort."""
        for code in ("try { require('trace_events').createTracing({ categories: ['v8'] }).enable(); } catch (e) { console.log(e.code); }",
                     "import { createTracing } from 'trace_events'; try { createTracing({ categories: ['v8'] }).enable(); } catch (e) { console.log(e.code); }",
                     "const s = new (require('inspector').Session)(); s.connect();"
                     "s.post('NodeTracing.start', { traceConfig: { includedCategories: ['v8'] } }, (e) => console.log(e.code));"):
            with self.subTest(code):
                r = self.run_js(code)
                self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"ERR_TRACE_EVENTS_UNAVAILABLE\n"), r)

    def test_collector_has_threads(self):
        """V8's own, once a job makes garbage for long, and none where the job's limit is low."""
        cpus = len(os.sched_getaffinity(self.supervisor.proc.pid))
        code = """const threads = () => Number(/Threads:\\s+(\\d+)/.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1]);
        const seen = [threads()], until = Date.now() + 20000;
        let kept = [], most = MOST;
        for (let i = 0; most-- && threads() === 1 && Date.now() < until;) for (let n = 0; n < 20000; n++) { kept.push({ i, n }); if (++i % 200000 === 0) kept = []; }
        seen.push(threads());
        new (require('worker_threads').Worker)('1', { eval: true }).on('exit', () => console.log(seen.join()));"""
        many = 1 if cpus == 1 else 2 + min(cpus - 1, 3)
        for threads, most, want in ((32, -1 if cpus > 1 else 100, f"1,{many}\n"), (5, 100, "1,1\n")):
            r = self.run_js(code.replace("MOST", str(most)), limits={"threads": threads, "memory_mib": 512, "wall_ms": 30000, "cpu_ms": 30000})
            self.assertEqual(r["stdout"].decode(), want, r)

    def test_collector_uses_its_threads(self):
        """A thread that takes part in a collection tells of it; without help there are as many such lines as collections."""
        if len(os.sched_getaffinity(self.supervisor.proc.pid)) == 1:
            self.skipTest("missing: a second CPU")
        code = """require('v8').setFlagsFromString('--trace-parallel-scavenge'); require('v8').setFlagsFromString('--trace-gc');
        for (let i = 0, kept = []; i < 4e6; i++) { kept.push({ i }); if (i % 200000 === 0) kept = []; }"""

        def together():
            told = self.run_js(code, limits={"memory_mib": 512, "wall_ms": 30000, "cpu_ms": 30000})["stdout"].decode()
            return len(re.findall(r"scavenge\[", told)) > len(re.findall(r"ms: Scavenge", told)) > 0
        eventually(together)

    def test_use_of_an_old_zygote(self):
        """V8 frees memory of an idle process after 8 s, by a collection that each child would begin with: ten times what a job takes."""
        self.run_js("1")
        zygote = int(re.findall(r"zygote_ready policy=nodejs pid=(\d+)", self.supervisor.log())[-1])
        eventually(lambda: time.time() - os.stat(f"/proc/{zygote}").st_mtime > 10, 30)
        plain = []
        for _ in range(3):
            before = os.times()
            subprocess.run([NODE, "-e", "1"], check=True)
            after = os.times()
            plain.append(after.children_user + after.children_system - before.children_user - before.children_system)
        jobs = [self.run_js("1")["usage"]["cpu_ms"] / 1e3 for _ in range(8)]
        self.assertLess(sorted(jobs)[4], sorted(plain)[1] / 5, (jobs, plain))

    def test_memory(self):
        for name, code in {
            "objects": "const a = []; for (;;) a.push({ x: a.length, y: 's' + a.length })",
            "numbers": "const a = []; for (;;) a.push(new Array(100000).fill(1.5))",
            "buffers": "const a = []; for (let i = 0; ; i++) a.push(Buffer.alloc(1 << 20, 1))",
            "one map": "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i })",
            "between turns": "const a = []; (function f(n) { a.push(new Array(10000).fill(n)); setImmediate(f, n + 1) })(0)",
        }.items():
            with self.subTest(name):
                r = self.run_js(code, limits={"memory_mib": 96})
                self.assertEqual((r["outcome"], r["limit"]), ("limit", "memory"), r)

    def test_memory_is_enough_for_garbage(self):
        """What lives fits, what does not is collected in time: the heap's own limit follows the job's."""
        code = "let keep; for (let i = 0; i < 400; i++) keep = new Array(500000).fill({ i }); console.log(keep.length)"
        big = "const a = []; for (let i = 0; i < 120; i++) a.push(new Array(500000).fill(i)); console.log(a.length)"
        with self.supervisor.client(timeout=2 * support.DEADLINE + 30) as c:  # seconds of CPU time, of which a busy machine gives few
            for text, mib in ((code, 96), (code, 1024), (big, 1024)):
                self.assertExited(c.run(text, language="nodejs", limits={"memory_mib": mib, "wall_ms": 60000}))

    def test_time(self):
        for name, code in {"loop": "for (;;);", "timer": "setInterval(() => 0, 10)", "promise": "(async () => { for (;;) await 1 })()",
                           "wait": "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)"}.items():
            with self.subTest(name):
                for wall in (400, 4000, 20000):  # a machine that lets it wait may end the first before it has begun
                    r = self.run_js("console.log('begun');" + code, limits={"wall_ms": wall})
                    self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"), r)
                    if r["stdout"]:
                        break
                self.assertEqual(r["stdout"], b"begun\n", r)

    def test_signals(self):
        r = self.run_js("process.kill(process.pid, 'SIGTERM'); setTimeout(() => 0, 5000)")
        self.assertEqual((r["outcome"], r["signal"]), ("signaled", 15), r)
        r = self.run_js("process.abort()")
        self.assertEqual((r["outcome"], r["signal"]), ("signaled", 6), r)

    def test_worker_threads(self):
        code = """const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
        if (!isMainThread) { parentPort.postMessage(workerData * 2); return; }
        class Mine extends Worker { constructor(n) { super(__filename, { workerData: n }); } }
        for (const n of [1, 2]) new Mine(n).on('message', (m) => console.log(m)).on('exit', (c) => c && console.log('exit', c));
        new Worker('throw new Error("in a worker")', { eval: true }).on('error', (e) => console.log(e.message));
        console.log(new Worker('0', { eval: true }) instanceof Worker, Worker.name);"""
        r = self.run_js(code)
        self.assertExited(r)
        self.assertEqual(sorted(r["stdout"].decode().split("\n")), ["", "2", "4", "in a worker", "true Worker"])
        self.assertEqual(r["violations"], [])

    def test_few_threads(self):
        """Where Node or libuv cannot start one of theirs they would abort, or wait for ever."""
        code = """require('fs').stat('/tmp', (e) => { console.log(e);
        try { new (require('worker_threads').Worker)('1', { eval: true }).on('exit', console.log) } catch (e) { console.log(e.code) } })"""
        for threads, want in ((2, "ERR_WORKER_INIT_FAILED"), (3, "ERR_WORKER_INIT_FAILED"), (16, "0")):
            with self.subTest(threads):
                r = self.run_js(code, limits={"threads": threads})
                self.assertEqual((r["outcome"], r["stdout"].decode()), ("exited", f"null\n{want}\n"), r)

    def test_a_workers_own_limit_of_memory_ends_the_worker(self):
        """One that has none is bounded by the job's."""
        code = """const { Worker } = require('worker_threads');
        const grow = 'const a = []; for (;;) a.push(new Array(1e4).fill(1.5))';
        new Worker(grow, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 } }).on('error', (e) => console.log(e.code))
          .on('exit', (c) => { console.log(c); if (process.argv[2]) new Worker(grow, { eval: true }).on('error', console.log); });"""
        alone, both = self.run_js(code), self.run_js(code, args=["both"])
        self.assertExited(alone)
        self.assertEqual((both["outcome"], both["limit"]), ("limit", "memory"), both)
        for r in (alone, both):
            self.assertEqual(r["stdout"], b"ERR_WORKER_OUT_OF_MEMORY\n1\n", r)

    def test_webassembly_intl_and_waiting(self):
        code = """const b = new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]);
        console.log(new WebAssembly.Memory({ initial: 1, maximum: 10 }).buffer.byteLength);
        console.log(Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10));
        console.log(new Intl.DateTimeFormat('de-DE', { dateStyle: 'full', timeZone: 'UTC' }).format(new Date(0)));
        WebAssembly.instantiate(b).then((r) => console.log(r.instance.exports.add(2, 3)))
          .then(() => WebAssembly.compile(b)).then((m) => console.log(m instanceof WebAssembly.Module));"""
        want = outside(code)
        r = self.run_js(code)
        self.assertExited(r)
        self.assertEqual(r["stdout"].decode(), want[1])

    def test_no_path_of_the_host(self):
        code = """console.log(process.argv, process.execArgv, Object.keys(require.cache), module, process._preload_modules);
        try { new (require('worker_threads').Worker)(5) } catch (e) { console.log(e.stack) }
        try { performance.mark(Symbol()) } catch (e) { console.log(e.stack) }
        console.log(process.report.getReport().header.commandLine.length > 0);"""
        r = self.run_js(code)
        self.assertNotIn(os.path.dirname(support.BUILD).encode(), r["stdout"] + r["stderr"])


@needs_node
class CommandLine(unittest.TestCase):
    def test_suffix_says_how_it_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, code in {"a.js": "console.log(typeof require, __filename)", "a.cjs": "console.log(typeof require, __filename)",
                               "a.mjs": "console.log(typeof require, import.meta.url.slice(7))"}.items():
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(code)
                done = warder("run", path)
                want = f"{'undefined' if name == 'a.mjs' else 'function'} /tmp/main{name[1:]}\n"
                self.assertEqual((done.returncode, done.stdout.decode(), done.stderr), (0, want, b""))


if __name__ == "__main__":
    unittest.main()
