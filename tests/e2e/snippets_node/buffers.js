const { Buffer, Blob, File, constants, transcode, atob, btoa } = require('buffer');
const b = Buffer.from('héllo wörld €', 'utf8');
for (const e of ['hex', 'base64', 'base64url', 'latin1', 'ucs2', 'ascii']) console.log(e, b.toString(e));
const n = Buffer.alloc(32);
n.writeDoubleBE(Math.PI, 0); n.writeBigInt64LE(-5n, 8); n.writeUIntBE(0xabcdef, 16, 3); n.writeFloatLE(1.5, 20);
console.log(n, n.readDoubleBE(0), n.readBigInt64LE(8), n.readUIntBE(16, 3).toString(16), n.readFloatLE(20));
console.log(Buffer.concat([b.subarray(0, 3), Buffer.of(33)]).equals(Buffer.from('hé!')), b.indexOf('w'), b.includes('€'), Buffer.compare(Buffer.from('a'), Buffer.from('b')));
console.log(Buffer.from([1, 2, 3, 4]).swap16(), b.slice(-3).toString(), Buffer.byteLength('€'), b.toJSON().data.length, transcode(Buffer.from('€'), 'utf8', 'ucs2'));
try { n.readInt8(99); } catch (e) { console.log(e.code, e.message); }
console.log(atob(btoa('abc')), constants.MAX_LENGTH > 1e9, new Uint8Array(new Float64Array([1]).buffer).join());
new Blob(['a', Buffer.from('bc')], { type: 'text/plain' }).slice(1).text().then(console.log);
