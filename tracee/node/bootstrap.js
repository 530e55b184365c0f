// The Node side of a zygote: warms Node up, waits in the addon for births, and gives each child its own state.
//
// A --require module, started with the job's default path as Node's main script. In a child `birth` returns; what Node
// does next is load its main script, in the way and with the stack of `node /tmp/main.js`, so no frame of this file lies below user code.
// What user code can redefine is used before it runs, or gains it nothing: all of this happens in the confined process.
'use strict';

// Compiled once more under a name of no file, so that no stack shows a path of the host.
if (__filename !== 'node:warder') {
  const source = require('fs').readFileSync(__filename, 'utf8');
  require('vm').compileFunction(source, ['require', '__filename'], { filename: 'node:warder' })(require, 'node:warder');
  return;
}

const Module = require('module');

const addon = { exports: {} };
process.dlopen(addon, process.argv[process.argv.length - 1]);
const warder = addon.exports;
const major = parseInt(process.versions.node, 10);

function preload(names) {
  for (const name of names) {
    try {
      require(name);
    } catch (e) { // a module that this Node lacks must not keep jobs from running
      process.stderr.write(`preload ${name}: ${e.message}\n`);
    }
  }
}

// A whole job without its effects: what is done for the first time after a fork costs page faults and lazy set-up. Nothing here may look
// into the host's /tmp, draw from Math.random, or use those functions of crypto that keep a stock of random bytes.
const REHEARSAL = `
const { Readable, Transform, pipeline } = require('stream');
class C { #x = 1; get x() { return this.#x; } async *all() { yield* [1, 2]; } }
const c = new C();
[3, 1, 2].sort().map((n) => n * c.x).forEach(String);
JSON.parse(JSON.stringify({ a: [1, { b: 'x' }], d: new Date(0) }));
(async () => { for await (const n of c.all()) String(n); })();
Promise.all([1, Promise.resolve(2)]).then(() => {});
new Map([[1, 2]]).set({}, new Set([1]));
'a-b'.replace(/-(.)/g, (_, s) => s.toUpperCase()).padStart(8).split('');
try { null.x; } catch (e) { String(e.stack); }
Buffer.from('x').toString('base64');
Readable.from(['a']);
new URL('http://a.example/b?c=d').searchParams.get('c');
new TextDecoder().decode(new TextEncoder().encode('x'));
new AbortController().signal;
structuredClone({ a: 1 });
`;

function unwritten(chunk, done) {
  done?.(null);
  return true;
}

function rehearse() {
  const rehearsal = new Module('/rehearsal.js');
  rehearsal.paths = [];
  rehearsal._compile(REHEARSAL, '/rehearsal.js');
  const { createHash, randomBytes } = require('crypto');
  createHash('sha256').update('x').digest('hex');
  randomBytes(8);
  const zlib = require('zlib');
  zlib.gunzipSync(zlib.gzipSync('x'));
  void globalThis.Headers; // loads what is behind fetch
  new Intl.NumberFormat('en-US').format(1234.5);
  new Intl.DateTimeFormat('en-US').format(0);
  (1234.5).toLocaleString();
  new Date(0).toLocaleString();
  'a'.localeCompare('b');
  const util = require('util');
  util.inspect({ a: [1, { b: new Map([[1, 'x']]) }], e: new Error('x'), f() {}, d: new Date(0), r: /x/ });
  // the first use of the console makes the streams, of the kind that jobs have: pipes
  for (const stream of [process.stdout, process.stderr]) {
    stream.write('', () => {});
    stream.write = unwritten; // it would be the zygote's log
  }
  console.log('%s', '', { a: 1 });
  console.error('');
  delete process.stdout.write;
  delete process.stderr.write;
  clearTimeout(setTimeout(() => {}, 1));
  clearImmediate(setImmediate(() => {}));
  // what is compiled here no child compiles
  process.nextTick(() => {});
  pathOf('none.mjs');
  becomeJob('/tmp/none', []);
  void Module.runMain;
  // nothing may be left for a child to do: no signal would come for it. fetch compiles WebAssembly in such tasks
  do process._tickCallback();
  while (warder.tasks());
}

// Garbage of the warm-up is collected now, so that no child copies memory pages for it.
let collectYoung;

function collect() {
  const v8 = require('v8');
  v8.setFlagsFromString('--expose-gc');
  const gc = require('vm').runInNewContext('gc');
  v8.setFlagsFromString('--no-expose-gc');
  gc();
  gc();
  collectYoung = () => gc({ type: 'minor' });
}

// Each isolate of a newer V8 (12.9, Node 23) maps 512 MiB for its code, private and writable; older ones map it without access.
// What is told is enough for eight.
function reserves() {
  const [, kib] = /VmData:\s+(\d+)/.exec(require('fs').readFileSync('/proc/self/status', 'utf8'));
  return kib >= 512 * 1024 ? 8 * 512 : 0;
}

// Where this Node looks for packages beside those of a job, and Node itself, which its worker threads look into.
function libraryTrees() {
  const { existsSync } = require('fs');
  const home = process.env.HOME ? `${process.env.HOME}/` : '\0';
  return [process.execPath, ...Module.globalPaths].filter((p) => !p.startsWith(home) && existsSync(p));
}

// Workers inherit the command line, unless they are told otherwise: --require, and the limit of the heap, which V8 puts above their resourceLimits.
// That of module.register, which Node makes in it, can only be told by what all options inherit.
function sparePreloads() {
  const [, heap] = /--max-old-space-size=(\d+)/.exec(process.execArgv.join(' '));
  require('v8').setFlagsFromString('--max-old-space-size=0');
  const workers = require('worker_threads');
  const native = workers.Worker;
  // the end of a worker waits for tasks of V8's own threads, if V8 has given them any: with Node 18 always, with 20 now and then
  let lacksThreads = true;
  const needThreads = () => {
    if (lacksThreads && !warder.startWorkers() && major < 20) throw new Error('worker threads are not supported with this Node');
    lacksThreads = false;
  };
  function Worker(filename, options = undefined, ...rest) { // stacks tell of it as of Node's own, by its name here
    if (!new.target) return native(); // which says that it is a class
    needThreads();
    const limits = { maxOldGenerationSizeMb: Number(heap), ...options?.resourceLimits };
    const spared = { ...options, execArgv: options?.execArgv ?? [], resourceLimits: limits };
    return Reflect.construct(native, [filename, spared, ...rest], new.target === Worker ? native : new.target);
  }
  Object.defineProperty(Worker, 'prototype', { value: native.prototype, writable: false });
  Object.setPrototypeOf(Worker, Object.getPrototypeOf(native));
  workers.Worker = Worker.prototype.constructor = Worker;
  const { register } = Module;
  if (!register) return;
  const { defineProperty, prototype } = Object;
  Module.register = function(specifier, parentURL = undefined, options) {
    needThreads();
    defineProperty(prototype, 'execArgv', { value: [], configurable: true });
    try {
      return register.apply(this, arguments);
    } finally {
      delete prototype.execArgv;
    }
  };
}

// No job has netlink to ask; programs that only want to know themselves get no interface rather than an error.
function withoutInterfaces() {
  require('os').networkInterfaces = function networkInterfaces() { return {}; };
}

// Trace events are written by a thread with a loop of its own, which a fork does not have: Node would abort. It refuses them in words in a Worker, too.
function withoutTracing() {
  const refusal = () => Object.assign(new Error('Trace events are unavailable'), { code: 'ERR_TRACE_EVENTS_UNAVAILABLE' });
  if (process.features.inspector) { // a build without it has no trace events either
    require('trace_events').createTracing = function createTracing() { throw refusal(); };
    const { Session } = require('inspector');
    const { post } = Session.prototype;
    Session.prototype.post = function(method, params, callback) {
      if (method !== 'NodeTracing.start') return post.apply(this, arguments);
      const done = typeof params === 'function' ? params : callback;
      if (typeof done === 'function') process.nextTick(done, refusal());
    };
  }
}

// A job's clock begins with the job, not with its zygote: Node's own, of which workers take theirs, where it can be set, else these functions.
// Marks and measures take what they do not say from Node's own clock, so they are told.
let begun = 0; // ms of Node's own clock
let shifted = 0; // ms by which that one's own beginning was moved; Node's milestones were not
const ownNow = performance.now.bind(performance);
let begunUptime = 0;
const ownUptime = process.uptime;
const now = () => ownNow() - begun;

function restartableClocks() {
  const { mark, measure, timeOrigin } = performance;
  const clocks = {
    now() { return now(); },
    get timeOrigin() { return timeOrigin + shifted + begun; },
    mark(name, options) { return mark.call(this, name, { ...options, startTime: options?.startTime ?? now() }); },
    measure(name, from, to) {
      const options = from !== null && typeof from === 'object' ? { ...from } : { start: from, end: to };
      if (options.end === undefined && (options.start === undefined || options.duration === undefined)) options.end = now();
      return measure.call(this, name, options);
    },
    toJSON() { return { nodeTiming: this.nodeTiming, timeOrigin: this.timeOrigin, eventLoopUtilization: this.eventLoopUtilization() }; },
  };
  for (const [name, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(clocks))) {
    for (let object = performance; object; object = Object.getPrototypeOf(object)) {
      const old = Object.getOwnPropertyDescriptor(object, name);
      if (old) Object.defineProperty(object, name, { configurable: true, enumerable: old.enumerable, ...(value ? { value, writable: true } : { get }) });
    }
  }
  process.uptime = function uptime() { return Math.max(0, ownUptime.call(process) - begunUptime); };
}

// What Node tells of its own start is the zygote's: the command line, where Warder's files are, the times of its milestones.
let commandLine = [];

function ownReports() {
  const { report } = process;
  const { getReport, writeReport } = report;
  const { readFileSync, writeFileSync } = require('fs');
  const { resolve } = require('path');
  const addonFile = process.argv[process.argv.length - 1];
  const own = (r) => {
    r.header.commandLine = commandLine;
    r.sharedObjects = r.sharedObjects?.filter((file) => file !== addonFile);
    if (Array.isArray(r.javascriptStack?.stack)) r.javascriptStack.stack = r.javascriptStack.stack.filter((line) => !line.includes('node:warder'));
    return r;
  };
  report.getReport = function(err) { return own(getReport.call(this, ...(err === undefined ? [] : [err]))); };
  report.writeReport = function(file, err) {
    const name = typeof file === 'string' ? file : report.filename;
    if (name === 'stdout' || name === 'stderr') {
      process[name].write(`${JSON.stringify(this.getReport(...[file, err].filter((e) => typeof e === 'object')), null, 2)}\n`);
      return name;
    }
    const written = writeReport.apply(this, arguments);
    const path = resolve(report.directory || '', written);
    writeFileSync(path, JSON.stringify(own(JSON.parse(readFileSync(path, 'utf8'))), null, report.compact ? 0 : 2));
    return written;
  };
  for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(performance.nodeTiming))) {
    if (!get || name === 'idleTime' || name === 'uvMetricsInfo') continue;
    const since = function() {
      const at = get.call(this);
      return at < 0 ? at : Math.max(0, at - begun - (name === 'duration' ? 0 : shifted));
    };
    Object.defineProperty(performance.nodeTiming, name, { enumerable: true, configurable: true, get: since });
  }
}

// The path of every job, once more in the child while it waits: each memory page that it touches here is its own already when the
// job comes. Files are refused still; fd 1 is the zygote's log.
function rehearseJob() {
  const { stdout } = process;
  stdout.write('', () => {});
  stdout.write = unwritten;
  console.log('hello');
  delete stdout.write;
  becomeJob('/tmp/none', []);
  try {
    Module.runMain();
  } catch {
    // there is no such file
  }
  for (const look of [() => new Module('/tmp/none.js').load('/tmp/none.js'), () => require('fs').realpathSync('/tmp/none.js')]) {
    try {
      look();
    } catch {
      // likewise
    }
  }
  const rehearsal = new Module('/tmp/none');
  rehearsal.filename = '/tmp/none';
  rehearsal.paths = [];
  rehearsal._compile('console', '/tmp/none');
  process.emit('beforeExit', 0);
  process.emit('exit', 0);
  process._tickCallback();
  warder.turn();
  // twice: then what the job allocates first lies on pages that were touched here
  collectYoung();
  collectYoung();
}

// Node 18 does not see by itself that a script is a module, as later ones do. It is told by a name of its own, a copy of the script.
function pathOf(filename) {
  const path = `/tmp/${filename}`;
  if (major >= 20 || !path.endsWith('.js')) return path;
  const { readFileSync, writeFileSync } = require('fs');
  const source = readFileSync(path, 'utf8');
  if (!/\b(?:import|export|await)\b/.test(source)) return path;
  try {
    new (require('vm').Script)(Module.wrap(source));
    return path;
  } catch (e) {
    if (!/import statement|import\.meta|Unexpected token 'export'|await is only valid/.test(e.message)) return path;
  }
  const module = path.replace(/js$/, 'mjs');
  writeFileSync(module, source);
  return module;
}

function set(object, name, value) {
  Object.defineProperty(object, name, { ...Object.getOwnPropertyDescriptor(object, name), value });
}

// What Node computed at its start and a job may see.
function becomeJob(path, args) {
  const before = ownNow();
  warder.restartClock();
  begun = ownNow();
  begunUptime = ownUptime.call(process);
  shifted += before - begun;
  process.argv = [process.execPath, path, ...args];
  process.execArgv = [];
  commandLine = ['node', path, ...args];
  if (process.env.TZ !== timeZone) process.env.TZ = process.env.TZ ?? '';
  if (process.env.NODE_PATH) Module._initPaths();
  for (const name of Object.keys(require.cache)) delete require.cache[name];
  set(process, '_preload_modules', []);
  set(process, 'pid', warder.pid());
  // Node calls Module.runMain once, with the path that it was started with: the job's own stands in its place.
  const runMain = Module.runMain;
  Object.defineProperty(Module, 'runMain', {
    configurable: true,
    enumerable: true,
    get() {
      Object.defineProperty(Module, 'runMain', { value: runMain, writable: true, configurable: true, enumerable: true });
      return runMain.bind(Module, path);
    },
  });
}

let timeZone;

// The worker tries here whether it can read JavaScript frames of this Node (v8.h): it knows the line.
function waitForJob(now) { return now ? warder.wait() : new Error(); }

function framesOf() {
  const [, line] = /node:warder:(\d+)/.exec(waitForJob(false).stack);
  const [isolate, ...numbers] = warder.numbers();
  return [isolate, line, ...numbers].join(' ');
}

function start() {
  try {
    preload(warder.setup());
    sparePreloads();
    withoutInterfaces();
    withoutTracing();
    restartableClocks();
    ownReports();
    Module.syncBuiltinESMExports();
    rehearse();
    timeZone = process.env.TZ;
    collect();
    process.chdir('/'); // forgets the folder that Node keeps in mind
    const lines = [`version=${process.versions.node}`, `executable=${process.execPath}`, `reserves_mib=${reserves()}`,
      `v8=${framesOf()}`, ...libraryTrees().map((p) => `tree=${p}`)];
    warder.ready(lines.join('\n'));
  } catch (e) {
    warder.fail('zygote', String(e));
  }
}

start();
if (warder.birth()) rehearseJob();
const job = waitForJob(true);
becomeJob(pathOf(job.filename), job.args);
