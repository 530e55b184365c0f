const f = Float64Array.from({ length: 100000 }, (_, i) => Math.sin(i));
console.log(f.reduce((a, b) => a + b, 0).toFixed(9), f.slice().sort()[0], f.subarray(1, 3), new Uint8ClampedArray([300, -5, 1.5]), BigInt64Array.of(1n, -1n));
const v = new DataView(new ArrayBuffer(16)); v.setFloat32(0, 0.1); v.setBigUint64(8, 2n ** 63n, true); console.log(v.getUint32(0).toString(16), v.getInt8(15));
let x = new Array(64).fill(0).map((_, i) => (i * 7919) % 64); console.log(x.toSorted?.((a, b) => a - b)?.[63] ?? 63, x.at(-1), x.findLast((n) => n < 5), [3, 1, 2].sort().reverse(), x.copyWithin(0, 60).slice(0, 4));
console.log(2n ** 200n, BigInt.asUintN(8, 257n), Number.MAX_SAFE_INTEGER, 0.1 + 0.2, (25).toString(36), parseInt('ff', 16), Math.fround(5.05), Math.clz32(1), Math.imul(0xffffffff, 5), (1e21).toLocaleString('en'));
const m = Array.from({ length: 120 }, (_, i) => Array.from({ length: 120 }, (_, j) => i ^ j)); let t = 0; for (const a of m) for (let i = 0; i < 120; i++) for (let j = 0; j < 120; j++) t = (t + a[i] * m[j][i]) | 0; console.log(t);
