"""What JavaScript can reach: files, other processes, Node's own doors, native code; and lies told to the bootstrap by redefined built-ins.

Every attack is a Node.js job; native code is loaded by process.dlopen. What the kernel and the worker decide is the same as for Python,
whose attacks have all the rest.
"""
import concurrent.futures
import json
import os
import unittest

import lab
from node_jobs import Outside, needs_node

PRELUDE = """
const fs = require('fs'), ROOT = %s;
const err = (f) => { try { return f() } catch (e) { return e.code || e.name } };
const tell = (facts) => console.log(JSON.stringify(facts));
"""
KILLED = ("mount", "ptrace", "bpf", "unshare", "setns", "userfaultfd", "perf_event_open", "keyctl", "init_module")

# code that finds Node's own ways out: each must throw or answer with an error, and start nothing
DOORS = {
    "spawn": "const r = require('child_process').spawnSync('/bin/true'); if (r.error) throw r.error",
    "exec": "require('child_process').execSync('id', { stdio: 'pipe' })",
    "fork": "require('child_process').spawnSync(process.execPath, ['-e', '1']).error && (() => { throw new Error('refused') })()",
    "binding": "const { Process } = process.binding('process_wrap'); const r = new Process().spawn({ file: '/bin/true', args: ['true'], stdio: [] });"
               "if (r < 0) throw new Error('refused')",
    "inspector": "const i = require('inspector'); i.open(0, '127.0.0.1'); if (!i.url()) throw new Error('refused')",
    "listen": "process.binding('tcp_wrap'); const s = new (process.binding('tcp_wrap').TCP)(1); const r = s.bind('0.0.0.0', 80); if (r) throw new Error(r)",
    "kill init": "process.kill(1, 0)",
    "kill parent": "process.kill(process.ppid, 'SIGKILL')",
    "setuid": "process.setuid(0)",
    "debug": "process._debugProcess(process.ppid)",
    "chroot": "process.chdir('/proc/1/root')",
    "dlopen of nothing": "process.dlopen({ exports: {} }, '/lib/none.node')",
}
PATHS = ("/etc/passwd", "/etc/shadow", "/root", "/proc/1/environ", "/proc/self/root/etc/passwd", "/proc/self/cwd/../etc/passwd", "/proc/../etc/passwd",
         "/proc/thread-self/root/etc/passwd", "/proc/self/task/../../1/maps", "/dev/mem", "/sys/kernel/notes", "/tmp/../etc/passwd", "/dev/fd/../../../etc/passwd")

# run first by a job that then fails or exits as it says: the same must come of it as with plain Node, which some of these fool, too
FAILS = "\nthrow new Error('the truth');\n"
EXITS = "\nprocess.exit(3);\n"
LIES = {
    "prototypes": "for (const p of [Array.prototype, Function.prototype, Object.prototype, Map.prototype, Promise.prototype, String.prototype])"
                  " for (const k of Object.getOwnPropertyNames(p)) try { const v = p[k]; if (typeof v === 'function' && k !== 'constructor')"
                  " p[k] = function () { return undefined } } catch {}",
    "setters": "for (const k of ['code', 'exitCode', 'signal', 'outcome', 'status', 'filename', 'args', 'value'])"
               " Object.defineProperty(Object.prototype, k, { configurable: true, get() { return 0 }, set() {} })",
    "species": "class L extends Array { static get [Symbol.species]() { throw new Error('species') } } Array.prototype.constructor = L;"
               "Promise.prototype.then = function () { return this }; Symbol.prototype[Symbol.toPrimitive] = () => 'x'",
    "globals": "for (const k of ['JSON', 'Buffer', 'Promise', 'setTimeout', 'console', 'Error', 'Object', 'Array', 'Reflect', 'Proxy'])"
               " globalThis[k] = null",
    "modules": "const M = require('module'); M._load = M.prototype._compile = M.runMain = M._extensions['.js'] = () => ({}); require.cache = {};"
               "for (const k in require('fs')) require('fs')[k] = () => { throw 0 }",
    "process": "process._rawDebug = process.emit = process.on = process.emitWarning = process._tickCallback = () => true; process.pid = 1;"
               "process.versions = {}; process.argv = null",
    "errors": "Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 0; Error.prototype.toString = () => { throw 2 }",
}
RESIDUE = """
const before = { g: globalThis.LEFT, p: Object.prototype.LEFT, e: process.env.LEFT, m: require('fs').LEFT, c: Object.keys(require.cache).length,
                 t: require('fs').readdirSync('/tmp'), l: process.listenerCount('exit'), u: process.umask(), title: process.title, j: JSON.parse('1') };
globalThis.LEFT = Object.prototype.LEFT = process.env.LEFT = require('fs').LEFT = 'x';
delete Object.prototype.LEFT;
JSON.parse = () => 2; process.umask(0); process.title = 'LEFT'; require('fs').writeFileSync('/tmp/LEFT', '');
process.on('exit', () => console.log(JSON.stringify(before)));
"""


@needs_node
class NodeAttacks(lab.AttackCase):
    def js(self, code, **fields):
        return self.lab.supervisor.run(PRELUDE % json.dumps(self.lab.root) + code, language="nodejs", policy="attack_node", **fields)

    def setUp(self):
        if lab.OUTSIDE:
            self.skipTest("missing: a supervisor")
        super().setUp()

    def test_files_that_are_not_granted(self):
        paths = (*PATHS, self.lab.path("deny/secret"), self.lab.path("odd/out-absolute"), self.lab.path("odd/out-magic"))
        code = f"""
        const seen = {{}};
        for (const p of {json.dumps(paths)}) for (const [k, f] of Object.entries({{
          read: () => fs.readFileSync(p), list: () => fs.readdirSync(p), stat: () => fs.statSync(p), real: () => fs.realpathSync.native(p),
          stream: () => fs.openSync(p, 'r'), write: () => fs.openSync(p, 'r+'), copy: () => fs.copyFileSync(p, '/tmp/copied'),
          link: () => fs.linkSync(p, '/tmp/linked'), load: () => require(p), watch: () => fs.watch(p) }})) {{
          const got = err(f);
          if (typeof got !== 'string' || !/^E|Error$|MODULE/.test(got)) seen[`${{k}} ${{p}}`] = String(got).slice(0, 80);
        }}
        tell(seen);
        """
        before = lab.tree(self.lab.path("deny"))
        told = self.told(self.js(code))
        # what there is of a path may be seen, where the tree has it
        self.assertEqual({k: v for k, v in told.items() if k.split()[0] not in ("stat", "real", "list")}, {})
        self.assertEqual([k for k in told if "deny" in k or "passwd" in k or "shadow" in k], [])
        self.assertEqual(lab.tree(self.lab.path("deny")), before)

    def test_a_link_made_by_the_job_leads_nowhere(self):
        code = """
        const seen = [];
        for (const to of ['/etc/passwd', '../etc/passwd', '/proc/self/root/etc/passwd', `${ROOT}/deny/secret`]) {
          fs.symlinkSync(to, '/tmp/l');
          seen.push(err(() => fs.readFileSync('/tmp/l', 'utf8')), err(() => fs.writeFileSync('/tmp/l', 'x')));
          fs.unlinkSync('/tmp/l');
        }
        tell(seen.filter((s) => !/^E[A-Z]+$/.test(s)));
        """
        self.assertEqual(self.told(self.js(code)), [])

    def test_doors_of_node(self):
        before = self.lab.processes()
        for name, code in DOORS.items():
            with self.subTest(name):
                r = self.js(f"const got = err(() => {{ {code}; return 'CAME THROUGH' }}); tell({{ got: String(got) }});")
                if r["outcome"] != "violation":
                    self.assertNotIn("CAME THROUGH", self.told(r)["got"])
        self.assertTrue(set(before) <= set(self.lab.processes()))

    def test_options_of_node_in_the_environment(self):
        for name in ("NODE_OPTIONS", "LD_PRELOAD"):
            with self.subTest(name), self.assertRaises(Exception) as caught:
                self.js("", env={name: "--require /tmp/x.js"})
            self.assertIn("bad_request", str(caught.exception))

    def test_native_code_is_under_the_same_filter(self):
        code = "tell(err(() => process.dlopen({ exports: {} }, `${ROOT}/lib/onload.so`)))"
        r = self.js(code, env={"WARDER_CALL": str(lab.own_nr("getppid"))})
        self.assertIn(b"CAME BACK ", r["stdout"], lab.brief(r))  # loaded: only it is no module of Node
        for name in KILLED:
            with self.subTest(name):
                r = self.js(code, env={"WARDER_CALL": str(lab.own_nr(name))})
                self.assertKilledFor(r, name)
                self.assertNotIn(b"CAME BACK", r["stdout"])
        for name in ("execve", "setuid", "chroot", "io_uring_setup", "pidfd_open", "process_vm_readv", "semget", "mq_open", "memfd_create"):
            with self.subTest(name):
                r = self.js(code, env={"WARDER_CALL": str(lab.own_nr(name))})
                if name == "setuid" and r["outcome"] == "exited":
                    self.assertNotIn(b"CAME BACK 0\n", r["stdout"])
                self.assertTrue(r["outcome"] == "violation" or b"CAME BACK -" in r["stdout"], lab.brief(r))

    def test_native_code_that_a_job_wrote_is_not_mapped(self):
        code = "fs.copyFileSync(`${ROOT}/lib/onload.so`, '/tmp/x.node'); process.dlopen({ exports: {} }, '/tmp/x.node')"
        r = self.js(code, env={"WARDER_CALL": str(lab.own_nr("getppid"))})
        if not lab.OUTSIDE and "tmp_quota" not in r["layers"]:
            self.skipTest("capability CAP_SYS_ADMIN: a directory stands for /tmp, on a mount of the machine's own")
        self.assertIn(b"failed to map segment", r["stderr"])
        self.assertNotIn(b"CAME BACK", r["stdout"])

    def test_native_code_in_a_worker_thread(self):
        code = ("const { Worker } = require('worker_threads');"
                "new Worker(`process.dlopen({ exports: {} }, '${ROOT}/lib/onload.so')`, { eval: true })")
        self.assertKilledFor(self.js(code, env={"WARDER_CALL": str(lab.own_nr("mount"))}), "mount")

    def test_lies_do_not_change_what_came_of_a_job(self):
        for name, lie in LIES.items():
            for end in (EXITS, FAILS):
                with self.subTest(name, ends=end):
                    r = self.js(lie + end)
                    want = Outside(PRELUDE % '""' + lie + end).status
                    self.assertEqual((r["outcome"], r["exit_code"], r["violations"]), ("exited", want, []), lab.brief(r))
            with self.subTest(name, ends="limit"):
                r = self.js(lie + "\nfor (;;);", limits={"wall_ms": 300})
                self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"), lab.brief(r))

    def test_escapes_of_contexts_gain_nothing(self):
        code = """
        const vm = require('vm');
        const p = vm.runInNewContext("this.constructor.constructor('return process')()");
        tell([p === process, err(() => p.mainModule.require('fs').readFileSync('/etc/passwd')),
              // with fewer arguments than Node's own code gives, Node 18 aborts itself
              err(() => vm.runInThisContext("process.binding('fs')").open('/etc/passwd', 0, 0, ...parseInt(process.versions.node) < 20 ? [undefined, {}] : [])),
              err(() => process.binding('natives') && 'natives'), typeof err(() => new (require('wasi').WASI)({ version: 'preview1', preopens: { '/': '/etc' } }))]);
        """
        told = self.told(self.js(code))
        self.assertEqual((told[0], told[1]), (True, "ENOENT"), told)

    def test_page_tables_are_memory(self):
        """V8 is given so much address space that reading it here and there would cost the kernel 128 MiB."""
        r = self.js(f"process.dlopen({{ exports: {{}} }}, {json.dumps(self.lab.path('lib/tables.so'))})", limits={"memory_mib": 64, "wall_ms": 10000})
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "memory"), lab.brief(r))

    def test_nothing_goes_from_one_job_to_the_next(self):
        seen = [self.told(self.js(RESIDUE)) for _ in range(8)]
        for one in seen:
            self.assertEqual(one, {**seen[0], "t": ["main.js"], "j": 1, "u": 18})
            self.assertNotIn("x", [one.get(k) for k in "gpem"])
            self.assertNotEqual(one["title"], "LEFT")

    def test_beside_each_other(self):
        code = """
        const seen = {};
        for (let i = -30; i <= 30; i++) { if (!i || process.pid + i === 0) continue; // kill(0) is for its own group
          for (const p of ['environ', 'mem', 'maps', 'root/tmp', 'fd', 'cwd']) { const got = err(() => fs.readdirSync(`/proc/${process.pid + i}/${p}`));
            if (!/^E/.test(got)) seen[`${i} ${p}`] = got; }
          const k = err(() => process.kill(process.pid + i, 0)); if (!/^E/.test(k)) seen[`kill ${i}`] = k; }
        setTimeout(tell, 200, seen);
        """
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for r in pool.map(lambda _: self.js(code), range(4)):
                self.assertEqual(self.told(r), {})


if __name__ == "__main__":
    unittest.main()
