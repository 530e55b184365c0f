// What a benchmark of Node.js jobs computes: argv[2] is `computing` or `garbage`. Prints the milliseconds that it took, and those of CPU time.
const work = {
  computing() {
    const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
    const size = 140;
    const matrix = Array.from({ length: size }, (_, i) => Float64Array.from({ length: size }, (_, j) => (i * j) % 7));
    let sum = fib(34);
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) for (let k = 0; k < size; k++) sum += matrix[i][k] * matrix[k][j];
    }
    const words = {};
    for (let i = 0; i < 600000; i++) words[`w${(i * 7919) % 5000}`] = i;
    return sum + Object.keys(words).length;
  },
  garbage() {
    const kept = [];
    let n = 0;
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 100000; i++) {
        const o = { i, text: `s${i}`, list: [i, i + 1], inner: { i } };
        n += o.list.length;
        if (i % 10 === 0) kept.push(o);
      }
      if (kept.length > 150000) kept.splice(0, 75000);
    }
    return n;
  },
};
const cpu = process.cpuUsage();
const begun = process.hrtime.bigint();
work[process.argv[2]]();
const ms = Number(process.hrtime.bigint() - begun) / 1e6;
const used = process.cpuUsage(cpu);
console.log(ms, (used.user + used.system) / 1e3);
