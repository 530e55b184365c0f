const shared = new Int32Array(new SharedArrayBuffer(16));
console.log(Atomics.wait(shared, 0, 0, 5), Atomics.wait(shared, 0, 1), Atomics.notify(shared, 0));
const { Worker } = require('worker_threads');
new Worker('const { workerData: a } = require("worker_threads"); Atomics.store(a, 1, 42); Atomics.notify(a, 1)', { eval: true, workerData: shared });
console.log(Atomics.wait(shared, 1, 0, 30000) === 'timed-out' ? 'late' : Atomics.load(shared, 1));
console.log(Atomics.compareExchange(shared, 2, 0, 9), Atomics.exchange(shared, 2, 8), Atomics.or(shared, 2, 3), Atomics.isLockFree(4), Array.from(shared));
