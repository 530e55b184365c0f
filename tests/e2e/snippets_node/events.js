const { EventEmitter, once, on } = require('events');
const e = new EventEmitter();
e.on('x', (...a) => console.log('on', a)); e.once('x', () => console.log('once')); e.prependListener('x', () => console.log('first'));
console.log(e.emit('x', 1, 2), e.emit('x'), e.emit('none'), e.listenerCount('x'), e.eventNames());
try { new EventEmitter().emit('error', new Error('unheard')); } catch (x) { console.log(x.message); }
const c = new EventEmitter({ captureRejections: true });
c.on('error', (x) => console.log('captured', x.message));
c.on('async', async () => { throw new Error('rejected'); });
c.emit('async');
(async () => {
  setTimeout(() => e.emit('later', 'value'), 1);
  console.log(await once(e, 'later'));
  setTimeout(() => { e.emit('many', 1); e.emit('many', 2); e.emit('many', 3); }, 1);
  for await (const [n] of on(e, 'many')) { console.log(n); if (n === 3) break; }
  const t = new EventTarget();
  t.addEventListener('go', (v) => { console.log(v.type, v.defaultPrevented, v.detail); v.preventDefault(); }, { once: true });
  console.log(t.dispatchEvent(new Event('go', { cancelable: true })), t.dispatchEvent(new Event('go')));
})();
