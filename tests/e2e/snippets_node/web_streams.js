const { ReadableStream, TransformStream, CompressionStream, DecompressionStream } = require('stream/web');

(async () => {
  const numbers = new ReadableStream({ start(c) { [1, 2, 3].forEach((n) => c.enqueue(n)); c.close(); } });
  const doubled = numbers.pipeThrough(new TransformStream({ transform(n, c) { c.enqueue(n * 2); } }));
  for await (const n of doubled) console.log(n);
  const [a, b] = new Blob(['hello web streams']).stream().tee();
  console.log(await new Response(a).text());
  console.log(await new Response(b.pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'))).text());
})();
