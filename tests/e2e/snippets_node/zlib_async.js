const zlib = require('zlib');
const { promisify } = require('util');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const { createHash } = require('crypto');

const data = Buffer.from(Array.from({ length: 20000 }, (_, i) => `line ${i * i}`).join('\n'));
const kinds = [['gzip', 'gunzip'], ['deflate', 'inflate'], ['deflateRaw', 'inflateRaw'], ['brotliCompress', 'brotliDecompress']];

(async () => {
  await Promise.all(kinds.map(async ([pack, unpack]) => {
    const packed = await promisify(zlib[pack])(data);
    const back = await promisify(zlib[unpack])(packed);
    if (!back.equals(data) || packed.length >= data.length) throw new Error(pack);
  }));
  console.log('all back');
  const hash = createHash('sha1');
  await pipeline(Readable.from([data, data]), zlib.createGzip({ level: 9 }), zlib.createGunzip(), hash);
  console.log(hash.digest('hex'));
  zlib.gunzip(Buffer.from('no gzip at all'), (e) => console.log(e.code, e.errno));
})();
