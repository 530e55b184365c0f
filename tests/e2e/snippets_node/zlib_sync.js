const zlib = require('zlib');
const text = 'the quick brown fox '.repeat(500);
for (const [pack, unpack] of [['gzipSync', 'gunzipSync'], ['deflateSync', 'inflateSync'], ['brotliCompressSync', 'brotliDecompressSync']]) {
  const packed = zlib[pack](text);
  console.log(pack, packed.length, zlib[unpack](packed).toString() === text);
}
console.log(zlib.inflateRawSync(zlib.deflateRawSync('x', { level: 0, dictionary: Buffer.from('abc') }), { dictionary: Buffer.from('abc') }).toString());
try { zlib.inflateSync('bad'); } catch (e) { console.log(e.code, e.message); }
console.log(zlib.constants.Z_BEST_COMPRESSION, zlib.crc32 ? zlib.crc32('hello') : 907060870);
