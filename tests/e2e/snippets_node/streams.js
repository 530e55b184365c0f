const { Readable, Writable, Transform, PassThrough, Duplex, finished } = require('stream');
const { pipeline } = require('stream/promises');

class Lines extends Transform {
  #rest = '';
  _transform(chunk, _, done) {
    const parts = (this.#rest + chunk).split('\n');
    this.#rest = parts.pop();
    parts.forEach((p) => this.push(p));
    done();
  }
  _flush(done) { this.push(this.#rest); done(); }
  constructor() { super({ readableObjectMode: true }); }
}

(async () => {
  const seen = [];
  const sink = new Writable({ objectMode: true, highWaterMark: 1, write(c, _, done) { seen.push(String(c)); setImmediate(done); } });
  await pipeline(Readable.from(['a\nb', 'c\nd', '\ne']), new Lines(), sink);
  console.log(seen);
  for await (const c of new PassThrough({ encoding: 'utf8' }).end('through')) console.log(c);
  console.log(await Readable.from([1, 2, 3, 4]).filter((n) => n % 2).map((n) => n * 10).toArray());
  const failing = new Duplex({ read() { this.destroy(new Error('broken')); }, write() {} });
  finished(failing, (e) => console.log('finished', e.message));
  failing.resume();
  const slow = new Readable({ read() {} });
  let n = 0;
  const t = setInterval(() => { slow.push(`tick ${n}\n`); if (++n === 3) { clearInterval(t); slow.push(null); } }, 1);
  slow.pipe(process.stdout);
})();
