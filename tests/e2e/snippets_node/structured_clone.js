const o = { d: new Date(0), m: new Map([[{ k: 1 }, new Set([1n])]]), r: /x/gi, b: new Uint8Array([1, 2]), n: [null, undefined, NaN, -0], e: new RangeError('e') };
o.self = o;
const c = structuredClone(o);
console.log(c.self === c, c !== o, c.d, c.m, c.r, c.b, c.n, c.e instanceof RangeError, c.e.message);
const buffer = new ArrayBuffer(8);
const moved = structuredClone(buffer, { transfer: [buffer] });
console.log(buffer.byteLength, moved.byteLength);
try { structuredClone(() => 0); } catch (e) { console.log(e.name, e.code); }
const { serialize, deserialize } = require('v8');
console.log(deserialize(serialize({ a: [1, 'x', new Date(5)] })));
const { port1, port2 } = new MessageChannel();
port2.on('message', (m) => { console.log('message', m); port2.close(); });
port1.postMessage({ over: ['a', new Map([[1, 2]])] });
