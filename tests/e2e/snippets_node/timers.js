const order = [];
const t = setTimeout(() => order.push('never'), 5); clearTimeout(t);
let n = 0;
const i = setInterval(() => { order.push(`interval ${n}`); if (++n === 3) clearInterval(i); }, 2);
setImmediate((a) => order.push(a), 'immediate');
process.nextTick(() => order.push('tick'));
queueMicrotask(() => order.push('micro'));
setTimeout(() => order.push('unrefd'), 10000).unref();
const r = setTimeout(() => 0, 40);
process.on('exit', () => console.log(order.slice(0, 2).join(), order.sort().join()));
console.log(r.hasRef(), typeof r[Symbol.toPrimitive](), r.refresh() === r);
const p = require('timers/promises');
(async () => {
  let k = 0;
  for await (const v of p.setInterval(1, 'v')) { if (++k === 3) break; order.push(v); }
  console.log(await p.setImmediate('imm'), await p.setTimeout(1, 'tim'), p.scheduler ? await p.scheduler.wait(1) : undefined);
})();
