// a granted server: GET / answers what it was sent; argv[2] is its port
const http = require('http');
const port = process.argv[2];
const ask = (path, options, body) => new Promise((yes, no) => {
  const r = http.request({ host: '127.0.0.1', port, path, ...options }, (answer) => {
    const parts = []; answer.on('data', (c) => parts.push(c)).on('end', () => yes([answer.statusCode, answer.headers['content-type'], Buffer.concat(parts).toString()]));
  });
  r.on('error', no); r.end(body);
});
(async () => {
  console.log(await ask('/hello?x=1'));
  console.log(await ask('/post', { method: 'POST', headers: { 'content-type': 'text/plain' } }, 'the body'));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  console.log((await Promise.all([1, 2, 3, 4, 5].map((n) => ask(`/${n}`, { agent })))).map((a) => a[2]));
  agent.destroy();
  console.log(await ask('/big').then((a) => a[2].length));
})();
