const { setTimeout: sleep } = require('timers/promises');
const { once, EventEmitter } = require('events');
(async () => {
  const c = new AbortController();
  c.signal.addEventListener('abort', (e) => console.log(e.type, c.signal.reason.name));
  setTimeout(() => c.abort(), 2);
  await sleep(60000, null, { signal: c.signal }).catch((e) => console.log(e.name, e.code));
  console.log(c.signal.aborted);
  const d = new AbortController();
  d.abort(new Error('mine'));
  await once(new EventEmitter(), 'x', { signal: d.signal }).catch((e) => console.log(e.name, e.cause?.message));
  await sleep(60000, null, { signal: AbortSignal.timeout(3) }).catch((e) => console.log(e.name, e.cause?.name));
  try { AbortSignal.abort('why').throwIfAborted(); } catch (e) { console.log(e); }
  require('fs').readFile('main', { signal: d.signal }, (e) => console.log(e.name));
})();
