const vm = require('vm');
const sandbox = vm.createContext({ x: 2, console });
console.log(vm.runInContext('x ** 10; ', sandbox), vm.runInNewContext('a + 1', { a: 1 }), vm.runInThisContext('typeof require'), vm.isContext(sandbox));
vm.runInContext('y = [x, this.constructor.name]; var z = 1', sandbox); console.log(sandbox.y, sandbox.z, vm.runInContext('Array', sandbox) === Array);
const s = new vm.Script('n = (globalThis.n || 0) + 1', { filename: 'counter.js' }); const c = vm.createContext(); s.runInContext(c); s.runInContext(c); console.log(c.n, s.createCachedData().length > 0);
try { vm.runInNewContext('for (;;);', {}, { timeout: 20 }); } catch (e) { console.log(e.code); }
try { vm.runInThisContext('a b', { filename: 'bad.js' }); } catch (e) { console.log(e.stack.split('\n')[0]); }
console.log(vm.compileFunction('return a + b', ['a', 'b'])(1, 2), new Function('a', 'return a * 2')(4), eval('1 + 1'), (0, eval)('typeof module'));
