// much garbage of several sizes, from all spaces of the heap
const kept = new Map(); const weak = new WeakMap(); let sum = 0;
for (let i = 0; i < 300000; i++) { const o = { i, s: `s${i}`, a: [i, i + 1] }; if (i % 1000 === 0) { kept.set(i, o); weak.set(o, i); } sum += o.a.length; }
for (let i = 0; i < 200; i++) sum += new Array(20000).fill(i).length + Buffer.alloc(100000).length;
let text = ''; for (let i = 0; i < 100000; i++) text += i % 10;
new FinalizationRegistry(() => 0).register({}, 1);
console.log(sum, kept.size, weak.get(kept.get(5000)), text.length);
