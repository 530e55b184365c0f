class AppError extends Error { constructor(m, o) { super(m, o); this.name = 'AppError'; this.code = 'E_APP'; } }
function inner() { JSON.parse('nope'); }
function outer() { try { inner(); } catch (cause) { throw new AppError('outer failed', { cause }); } }
try { outer(); } catch (e) { console.log(e); console.log(e.stack.split('\n').length, e.cause.name); }
for (const f of [() => null.x, () => undefinedName, () => (1).toFixed(101), () => new Array(-1), () => decodeURIComponent('%'), () => { const c = 1; c = 2; }, () => eval('var 1'), () => Symbol() + '', () => 1n + 1]) try { f(); } catch (e) { console.log(`${e}`); }
console.log(new AggregateError([new Error('a')], 'many').errors.length, Error.stackTraceLimit, typeof Error.captureStackTrace);
const o = {}; Error.captureStackTrace(o); console.log(o.stack.split('\n')[1].includes('main'));
process.on('uncaughtException', (e, origin) => { console.log('last', e.message, origin); });
setTimeout(() => { throw new Error('in a timer'); }, 1);
