const { Worker, isMainThread, parentPort, workerData, MessageChannel, threadId } = require('worker_threads');
if (!isMainThread) {
  const counter = new Int32Array(workerData.shared);
  for (let i = 0; i < 1000; i++) Atomics.add(counter, 0, 1);
  parentPort.once('message', ({ port }) => { port.postMessage(`from ${workerData.n}`); port.close(); });
} else {
  const shared = new SharedArrayBuffer(4);
  const all = [];
  for (let n = 0; n < 3; n++) {
    const { port1, port2 } = new MessageChannel();
    const told = new Promise((yes) => port1.once('message', yes));
    const ended = new Promise((yes) => new Worker(__filename, { workerData: { shared, n } }).on('exit', yes).postMessage({ port: port2 }, [port2]));
    all.push(told, ended);
  }
  new Worker('process.exit(7)', { eval: true }).on('exit', async (c) => console.log('exit', c, await Promise.all(all), new Int32Array(shared)[0], threadId));
}
